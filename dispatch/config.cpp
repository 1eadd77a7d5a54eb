#include "dispatch/config.h"

#include <algorithm>

namespace portshare {

bool ListenerConfig::admits(const IpAddress& source) const {
  const auto covers = [&](const IpPrefix& prefix) { return prefix.contains(source); };
  if (std::ranges::any_of(deny, covers)) return false;
  return allow.empty() || std::ranges::any_of(allow, covers);
}

void summarise_rules(Config& config) {
  std::vector<std::vector<bool>> led_to(config.listeners.size(), std::vector<bool>(config.backends.size()));
  for (const RouteRule& rule : config.rules) {
    const auto note = [&](ListenerConfig& listener) {
      if (rule.backend != RouteRule::reject) {
        led_to[static_cast<std::size_t>(&listener - config.listeners.data())][rule.backend] = true;
      }
      listener.routes_look_at_source |= !rule.sources.empty();
      listener.routes_look_at_destination |= !rule.destinations.empty();
    };
    if (rule.listeners.empty()) std::ranges::for_each(config.listeners, note);
    for (const std::uint32_t index : rule.listeners) note(config.listeners[index]);
  }
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    ListenerConfig& listener = config.listeners[i];
    for (const auto& backend : {listener.default_backend, listener.silent_backend}) {
      if (backend) led_to[i][*backend] = true;
    }
    listener.backends.clear();
    for (std::uint32_t backend = 0; backend < config.backends.size(); ++backend) {
      if (led_to[i][backend]) listener.backends.push_back(backend);
    }
  }
}

}  // namespace portshare
