#include "dispatch/config.h"

#include <algorithm>

namespace portshare {

namespace {

bool covers(const std::vector<IpPrefix>& prefixes, const IpAddress& address) {
  return std::ranges::any_of(prefixes, [&](const IpPrefix& prefix) { return prefix.contains(address); });
}

}  // namespace

bool ListenerConfig::trusts(const IpAddress& peer) const {
  return trusted.empty() || covers(trusted, peer);
}

bool ListenerConfig::admits(const IpAddress& source) const {
  return !covers(deny, source) && (allow.empty() || covers(allow, source));
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
