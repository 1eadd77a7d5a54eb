#include "dispatch/config_difference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "dispatch/config_values.h"
#include "dispatch/server_status.h"

namespace portshare {

namespace {

/// A setting by its key in the file, and its value in words.
using Settings = std::vector<std::pair<std::string_view, std::string>>;

template <typename Values>
std::string list_text(const Values& values) {
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const auto& value : values) texts.push_back(value.to_string());
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string bind_text(const ListenerConfig& listener) {
  std::vector<std::string> texts;
  texts.reserve(listener.bind.size());
  for (const SocketAddress& address : listener.bind) texts.push_back(address.to_string());
  for (const std::string& name : listener.passed_sockets) texts.push_back("systemd:" + name);
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string rate_text(const Rate& rate) {
  return fmt::format("{}/{}", rate.count, duration_text(rate.period));
}

std::string backend_text(const Config& config, const std::optional<std::uint32_t>& backend) {
  return backend ? config.backends[*backend].name : "none";
}

std::string protocols_text(const ProtocolSet& protocols) {
  std::vector<std::string_view> texts;
  for (const Protocol protocol : all_protocols) {
    if (protocols.contains(protocol)) texts.push_back(to_string(protocol));
  }
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string_view policy_text(ProxyHeaderPolicy policy) {
  switch (policy) {
    case ProxyHeaderPolicy::off:
      return "off";
    case ProxyHeaderPolicy::accept:
      return "accept";
    case ProxyHeaderPolicy::require:
      return "require";
  }
  return "";
}

std::string_view version_text(ProxyHeaderVersion version) {
  switch (version) {
    case ProxyHeaderVersion::off:
      return "off";
    case ProxyHeaderVersion::v1:
      return "v1";
    case ProxyHeaderVersion::v2:
      return "v2";
  }
  return "";
}

Settings settings_of(const Config& config, const ListenerConfig& listener) {
  return {
      {"bind", bind_text(listener)},
      {"except", list_text(listener.except)},
      {"protocols", protocols_text(listener.protocols)},
      {"default", backend_text(config, listener.default_backend)},
      {"silent", backend_text(config, listener.silent_backend)},
      {"proxy_protocol", std::string(policy_text(listener.proxy_header))},
      {"trusted", list_text(listener.trusted)},
      {"allow", list_text(listener.allow)},
      {"deny", list_text(listener.deny)},
      {"first_flight_timeout", duration_text(listener.first_flight_timeout)},
      {"first_flight_limit", size_text(listener.first_flight_limit)},
      {"idle_timeout", duration_text(listener.idle_timeout)},
      {"max_connections", fmt::to_string(listener.max_connections)},
      {"max_connections_per_source", fmt::to_string(listener.source_limits.max_open)},
      {"new_connections_per_source", rate_text(listener.source_limits.new_connections)},
  };
}

std::string server_text(const ServerAddress& server) {
  const std::string weight = server.weight == 1 ? "" : fmt::format(" (weight {})", server.weight);
  return fmt::format("{}{}{}", server.text, weight, server.is_backup ? " (backup)" : "");
}

std::string health_text(const std::optional<HealthConfig>& health) {
  if (!health) return "none";
  constexpr std::string_view kinds[] = {"tcp", "http", "tls"};
  std::string text = fmt::format("{} every {} within {}, rise {}, fall {}",
                                 kinds[std::to_underlying(health->kind)], duration_text(health->interval),
                                 duration_text(health->timeout), health->rise, health->fall);
  if (health->kind == HealthConfig::Kind::http) {
    text += fmt::format(", {} is {}-{}", health->path, health->lowest_status, health->highest_status);
  }
  return text;
}

Settings settings_of(const Config&, const BackendConfig& backend) {
  std::vector<std::string> servers;
  servers.reserve(backend.servers.size());
  for (const ServerAddress& server : backend.servers) servers.push_back(server_text(server));
  return {
      {"servers", fmt::format("[{}]", fmt::join(servers, ", "))},
      {"balance", std::string(to_string(backend.balance))},
      {"max_connections", fmt::to_string(backend.max_connections)},
      {"health", health_text(backend.health)},
      {"resolve", duration_text(backend.resolve_interval())},
      {"transparent", backend.is_transparent ? "true" : "false"},
      {"connect_timeout", duration_text(backend.connect_timeout)},
      {"retries", fmt::to_string(backend.retries)},
      {"proxy_protocol", std::string(version_text(backend.proxy_header))},
      {"forwarded", backend.forwarded ? "true" : "false"},
  };
}

Settings settings_of(const ServerConfig& server) {
  constexpr std::string_view levels[] = {"debug", "info", "warn", "error"};
  constexpr std::string_view engines[] = {"auto", "io_uring", "epoll"};
  const auto access = [&]() -> std::string {
    switch (server.log.access) {
      case LogConfig::AccessTarget::off:
        return "off";
      case LogConfig::AccessTarget::standard_error:
        return "stderr";
      case LogConfig::AccessTarget::file:
        break;
    }
    return server.log.access_path;
  };
  return {
      {"workers", fmt::to_string(server.workers)},
      {"engine", std::string(engines[std::to_underlying(server.engine)])},
      {"log.level", std::string(levels[std::to_underlying(server.log.level)])},
      {"log.access", access()},
      {"log.format", server.log.format == AccessLogFormat::json ? "json" : "text"},
      {"admin", server.admin.address ? server.admin.address->to_string() : "off"},
      {"monitor", server.monitor ? server.monitor->to_string() : "none"},
      {"user", server.user.empty() ? "who starts it" : server.user},
      {"shutdown_timeout", duration_text(server.shutdown_timeout)},
  };
}

/// When a setting counts that is fixed at the start. An upgrade cannot change the user: the right to become
/// another one has been given up.
std::string_view delay_text(std::string_view key) {
  if (key == "workers" || key == "engine") return ", from the next start or upgrade on";
  return key == "user" ? ", from the next start on" : "";
}

void compare(std::string_view what, const Settings& before, const Settings& after,
             std::vector<std::string>& out) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto& [key, was] = before[i];
    const std::string& is = after[i].second;
    if (was == is) continue;
    out.push_back(fmt::format("{}: {}: {} -> {}{}", what, key, was, is, delay_text(key)));
  }
}

/// Listeners or backends, which their names tell apart.
template <typename Parts>
void compare_parts(std::string_view kind, const Config& before, const Config& after, Parts Config::* parts,
                   std::vector<std::string>& out) {
  for (const auto& was : before.*parts) {
    const auto is = std::ranges::find(after.*parts, was.name, &Parts::value_type::name);
    const std::string what = fmt::format("{} '{}'", kind, was.name);
    if (is == (after.*parts).end()) {
      out.push_back(what + " is gone");
    } else {
      compare(what, settings_of(before, was), settings_of(after, *is), out);
    }
  }
  for (const auto& is : after.*parts) {
    const bool is_new =
        std::ranges::find(before.*parts, is.name, &Parts::value_type::name) == (before.*parts).end();
    if (is_new) out.push_back(fmt::format("{} '{}' is new", kind, is.name));
  }
}

std::string text_of(const Config& config, const RouteRule& rule) {
  // Separators that none of the values has keep what stands in different places apart.
  std::string text;
  for (const std::uint32_t listener : rule.listeners)
    text.append(config.listeners[listener].name).push_back('\n');
  text.push_back('\f');
  for (const DestinationMatcher& destination : rule.destinations) {
    text.append(destination.prefix.to_string()).push_back('\n');
    if (destination.port) text.append(fmt::to_string(*destination.port)).push_back('\n');
  }
  text.push_back('\f');
  text.push_back(static_cast<char>('0' + std::to_underlying(rule.name_source)));
  for (const NameMatcher& name : rule.names) {
    text.push_back(static_cast<char>('0' + std::to_underlying(name.kind)));
    text.append(name.pattern ? name.pattern->text() : std::string_view(name.text)).push_back('\n');
  }
  text.push_back('\f');
  for (const std::string& protocol : rule.alpn) text.append(fmt::format("{}:{}", protocol.size(), protocol));
  text.push_back('\f');
  for (const IpPrefix& source : rule.sources) text.append(source.to_string()).push_back('\n');
  text.push_back('\f');
  for (const Protocol protocol : rule.protocols) text.append(to_string(protocol)).push_back('\n');
  text.push_back('\f');
  if (rule.backend != RouteRule::reject) text.append(config.backends[rule.backend].name);
  return text;
}

std::string route_text(const Config& config, const RouteSummary& route) {
  std::string text = route.matchers;
  std::vector<std::string_view> listeners;
  listeners.reserve(route.listeners.size());
  for (const std::uint32_t listener : route.listeners) listeners.push_back(config.listeners[listener].name);
  if (!listeners.empty()) text += fmt::format(", listener {}", fmt::join(listeners, ", "));
  return text +
         (route.backend == RouteRule::reject ? ": reject" : ": to " + config.backends[route.backend].name);
}

/// Those routes of `config` that have one of `digests`.
void list_routes(std::string_view what, const Config& config, const std::vector<std::uint64_t>& digests,
                 std::vector<std::string>& out) {
  constexpr std::size_t most_listed = 20;
  std::size_t count = 0;
  for (const RouteSummary& route : config.route_summaries) {
    if (!std::ranges::binary_search(digests, route.digest) || ++count > most_listed) continue;
    out.push_back(fmt::format("{} route at line {}: {}", what, route.line, route_text(config, route)));
  }
  if (count > most_listed) out.push_back(fmt::format("and {} more {} routes", count - most_listed, what));
}

}  // namespace

void digest_rules(Config& config) {
  config.rule_digests.clear();
  config.rule_digests.reserve(config.rules.size());
  for (const RouteRule& rule : config.rules)
    config.rule_digests.push_back(std::hash<std::string>{}(text_of(config, rule)));
  for (std::size_t i = 0; i < config.route_summaries.size(); ++i)
    config.route_summaries[i].digest = config.rule_digests[i];
  std::ranges::sort(config.rule_digests);
}

std::vector<std::string> differences(const Config& before, const Config& after) {
  std::vector<std::string> out;
  compare("server", settings_of(before.server), settings_of(after.server), out);
  compare_parts("listener", before, after, &Config::listeners, out);
  compare_parts("backend", before, after, &Config::backends, out);
  std::vector<std::uint64_t> gone;
  std::vector<std::uint64_t> fresh;
  std::ranges::set_difference(before.rule_digests, after.rule_digests, std::back_inserter(gone));
  std::ranges::set_difference(after.rule_digests, before.rule_digests, std::back_inserter(fresh));
  if (gone.empty() && fresh.empty()) return out;
  out.push_back(fmt::format("routes: {} new, {} gone", fresh.size(), gone.size()));
  // Of more routes not all can be named, and it would be by chance which ones are.
  if (std::max(before.route_count, after.route_count) > RouteSummary::most_listed) return out;
  list_routes("gone", before, gone, out);
  list_routes("new", after, fresh, out);
  return out;
}

}  // namespace portshare
