#include "dispatch/config.h"

#include <algorithm>

#include "core/route_description.h"

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
  config.route_count = config.rules.size();
  config.route_summaries.clear();
  for (const RouteRule& rule : config.rules) {
    if (config.route_summaries.size() == RouteSummary::most_listed) break;
    config.route_summaries.push_back({.line = rule.line,
                                      .matchers = describe_rule(rule),
                                      .listeners = rule.listeners,
                                      .backend = rule.backend});
  }
}

}  // namespace portshare
