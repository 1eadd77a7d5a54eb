#include "dispatch/config.h"

#include <algorithm>

namespace portshare {

bool ListenerConfig::admits(const IpAddress& source) const {
  const auto covers = [&](const IpPrefix& prefix) { return prefix.contains(source); };
  if (std::ranges::any_of(deny, covers)) return false;
  return allow.empty() || std::ranges::any_of(allow, covers);
}

void summarise_rules(Config& config) {
  for (const RouteRule& rule : config.rules) {
    const auto note = [&](ListenerConfig& listener) {
      listener.routes_look_at_source |= !rule.sources.empty();
      listener.routes_look_at_destination |= !rule.destinations.empty();
    };
    if (rule.listeners.empty()) std::ranges::for_each(config.listeners, note);
    for (const std::uint32_t index : rule.listeners) note(config.listeners[index]);
  }
}

}  // namespace portshare
