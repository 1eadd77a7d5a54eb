#include "dispatch/route_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <utility>

#include "dispatch/config_addresses.h"
#include "dispatch/config_names.h"
#include "dispatch/protocol_choices.h"

namespace portshare {
namespace {

using EmptyArray = SettingReader::EmptyArray;

constexpr std::size_t longest_alpn = 255;  // RFC 7301, 3.1: ProtocolName<1..2^8-1>

struct RouteTarget {
  const SettingReader& settings;
  NameIndex& listeners;
  NameIndex& backends;
  RouteCoverage& coverage;

  RouteRule rule{};
  std::string_view name_key{};  // the one of name, sni and host that the route has
  bool has_backend = false;
  bool rejects = false;

  template <typename Value>
  void add_once(const Setting& setting, const toml::node& node, std::vector<Value>& values,
                Value value) const {
    if (std::ranges::find(values, value) != values.end()) {
      settings.diagnostics().error(position_of(node),
                                   fmt::format("'{}' has this value already", setting.key));
      return;
    }
    values.push_back(std::move(value));
  }

  void read_listeners(const Setting& setting) {
    settings.each_text(setting, EmptyArray::fault, [&](const toml::node& node, std::string_view name) {
      const auto index = listeners.resolve(node, name, settings.diagnostics());
      if (!index) return;
      coverage.listeners[*index] = true;
      add_once(setting, node, rule.listeners, *index);
    });
  }

  void read_destinations(const Setting& setting) {
    settings.each_parsed(
        setting, EmptyArray::fault, parse_destination,
        [&](const toml::node&, const DestinationMatcher& value) { rule.destinations.push_back(value); });
  }

  void read_names(const Setting& setting, NameSource source) {
    if (!name_key.empty()) {
      settings.diagnostics().error(
          setting.key_position,
          fmt::format("a route has one of 'name', 'sni' and 'host'; this one has '{}' already", name_key));
    }
    name_key = setting.key;
    rule.name_source = source;
    if (const toml::array* array = setting.value.as_array()) rule.names.reserve(array->size());
    settings.each_parsed(
        setting, EmptyArray::fault,
        [source](std::string_view text) { return parse_name_matcher(text, source); },
        [&](const toml::node&, NameMatcher value) { rule.names.push_back(std::move(value)); });
  }

  void read_alpn(const Setting& setting) {
    settings.each_text(setting, EmptyArray::fault, [&](const toml::node& node, std::string_view protocol) {
      if (protocol.empty() || protocol.size() > longest_alpn) {
        settings.diagnostics().error(
            position_of(node), fmt::format("'alpn': a protocol's name has 1 to {} bytes", longest_alpn));
        return;
      }
      add_once(setting, node, rule.alpn, std::string(protocol));
    });
  }

  void read_protocols(const Setting& setting) {
    settings.each_text(setting, EmptyArray::fault, [&](const toml::node& node, std::string_view word) {
      const auto protocol = settings.choice<Protocol>(setting, node, word, protocol_choices);
      if (protocol) add_once(setting, node, rule.protocols, *protocol);
    });
  }

  void read_backend(const Setting& setting) {
    has_backend = true;
    const auto name = settings.text(setting);
    if (!name) return;
    const auto index = backends.resolve(setting.value, *name, settings.diagnostics());
    if (index) rule.backend = *index;
  }
};

using Key = KnownKey<RouteTarget>;
constexpr std::array route_keys{
    Key{"listener", [](RouteTarget& target, const Setting& setting) { target.read_listeners(setting); }},
    Key{"destination",
        [](RouteTarget& target, const Setting& setting) { target.read_destinations(setting); }},
    Key{"name",
        [](RouteTarget& target, const Setting& setting) { target.read_names(setting, NameSource::either); }},
    Key{"sni",
        [](RouteTarget& target, const Setting& setting) { target.read_names(setting, NameSource::sni); }},
    Key{"host",
        [](RouteTarget& target, const Setting& setting) { target.read_names(setting, NameSource::host); }},
    Key{"alpn", [](RouteTarget& target, const Setting& setting) { target.read_alpn(setting); }},
    Key{"source",
        [](RouteTarget& target, const Setting& setting) {
          target.settings.each_parsed(
              setting, EmptyArray::fault, parse_prefix,
              [&](const toml::node&, const IpPrefix& value) { target.rule.sources.push_back(value); });
        }},
    Key{"protocol", [](RouteTarget& target, const Setting& setting) { target.read_protocols(setting); }},
    Key{"to", [](RouteTarget& target, const Setting& setting) { target.read_backend(setting); }},
    Key{"reject",
        [](RouteTarget& target, const Setting& setting) {
          target.rejects = target.settings.boolean(setting).value_or(true);
        }},
};

/// Where the [[route]] of that line stands. The tables are in the order of the file.
FilePosition position_of_route(const toml::array& routes, std::uint32_t line) {
  const auto route = std::lower_bound(
      routes.begin(), routes.end(), line,
      [](const toml::node& node, std::uint32_t wanted) { return position_of(node).line < wanted; });
  return position_of(*route);
}

bool accepts(const ListenerConfig& listener, Protocol protocol) {
  return listener.protocols.contains(protocol) ||
         (protocol == Protocol::any && !listener.reads_first_flight());
}

/// Can a connection to this listener have what the rule asks for? Only TLS and HTTP bring a name.
bool can_match(const ListenerConfig& listener, const RouteRule& rule) {
  const auto possible = [&](Protocol protocol) {
    if (!accepts(listener, protocol)) return false;
    if (!rule.names.empty()) {
      const bool has_name = (protocol == Protocol::tls && rule.name_source != NameSource::host) ||
                            (protocol == Protocol::http && rule.name_source != NameSource::sni);
      if (!has_name) return false;
    }
    return rule.alpn.empty() || protocol == Protocol::tls;
  };
  if (!rule.protocols.empty()) return std::ranges::any_of(rule.protocols, possible);
  return std::ranges::any_of(all_protocols, possible);
}

}  // namespace

std::vector<RouteRule> read_routes(const toml::array& routes, const SettingReader& settings,
                                   NameIndex& listeners, NameIndex& backends, RouteCoverage& coverage) {
  DiagnosticList& diagnostics = settings.diagnostics();
  coverage.listeners.resize(listeners.definitions().size());
  std::vector<RouteRule> rules;
  rules.reserve(routes.size());
  for (const toml::node& node : routes) {
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      diagnostics.error(position_of(node), fmt::format("a route must be a table, not {}", type_name(node)));
      continue;
    }
    const std::size_t errors = diagnostics.error_count();
    RouteTarget target{settings, listeners, backends, coverage};
    target.rule.line = position_of(node).line;
    read_table<RouteTarget>(*table, "[[route]]", route_keys, target, settings);
    if (!table->contains("listener")) coverage.every_listener = true;
    if (target.has_backend && target.rejects) {
      diagnostics.error(position_of(node), "a route has either 'to' or 'reject = true', not both");
    } else if (!target.has_backend && !target.rejects) {
      diagnostics.error(position_of(node),
                        "the route leads nowhere: write to = \"BACKEND\" or reject = true");
    }
    if (errors == diagnostics.error_count()) rules.push_back(std::move(target.rule));
  }
  return rules;
}

namespace {

/// Clients must not be able to guess which names share a place in the table.
std::uint64_t random_seed() {
  std::random_device entropy;
  return std::uint64_t{entropy()} << 32 | entropy();
}

}  // namespace

RouteTable build_routes(const std::vector<RouteRule>& rules, std::size_t listener_count,
                        const toml::array& routes, DiagnosticList& diagnostics) {
  auto table = RouteTable::build(rules, static_cast<std::uint32_t>(listener_count), random_seed());
  if (table) return std::move(*table);
  for (const RouteConflict& conflict : table.error()) {
    const FilePosition position = position_of_route(routes, rules[conflict.rule].line);
    if (conflict.rule == conflict.earlier) {
      diagnostics.error(position, fmt::format("the route has the same matcher twice: {}", conflict.matchers));
    } else {
      diagnostics.error(position, fmt::format("the route at line {} has the same matchers: {}",
                                              rules[conflict.earlier].line, conflict.matchers));
    }
  }
  return {};
}

void warn_about_dead_routes(const Config& config, const toml::array& routes, DiagnosticList& diagnostics) {
  for (const RouteRule& rule : config.rules) {
    const auto matches = [&](const ListenerConfig& listener) { return can_match(listener, rule); };
    const bool alive = rule.listeners.empty() ? std::ranges::any_of(config.listeners, matches)
                                              : std::ranges::any_of(rule.listeners, [&](std::uint32_t index) {
                                                  return matches(config.listeners[index]);
                                                });
    if (alive) continue;
    diagnostics.warning(
        position_of_route(routes, rule.line),
        "no connection can match this route: the 'protocols' of its listeners exclude what it "
        "asks for");
  }
}

}  // namespace portshare
