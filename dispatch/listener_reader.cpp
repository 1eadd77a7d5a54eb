#include "dispatch/listener_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "dispatch/config_addresses.h"
#include "dispatch/protocol_choices.h"

namespace portshare {
namespace {

using EmptyArray = SettingReader::EmptyArray;

/// Long enough for any first flight that a client sends today without a certificate, short enough for a
/// million of them.
constexpr Range<std::uint64_t> first_flight_limits{std::uint64_t{1} << 10, std::uint64_t{1} << 20};
constexpr Range<std::uint32_t> connection_counts{0, UINT32_MAX};

constexpr std::array proxy_header_policies{Choice<ProxyHeaderPolicy>{"off", ProxyHeaderPolicy::off},
                                           Choice<ProxyHeaderPolicy>{"accept", ProxyHeaderPolicy::accept},
                                           Choice<ProxyHeaderPolicy>{"require", ProxyHeaderPolicy::require}};

struct ListenerTarget {
  const SettingReader& settings;
  NameIndex& backends;
  BoundAddresses& bound;
  ListenerConfig& listener;
  /// Of `bind`, as they stand there.
  struct Address {
    const toml::node* node;
    std::string_view text;
    SocketAddress address;
  };
  std::vector<Address> addresses = {};

  void read_bind(const Setting& setting) {
    settings.each_text(setting, EmptyArray::fault, [&](const toml::node& node, std::string_view text) {
      auto parsed = parse_bind_address(text);
      if (!parsed) {
        settings.diagnostics().error(position_of(node), fmt::format("'bind': {}", parsed.error()));
        return;
      }
      if (!parsed->passed_socket.empty()) add_passed_socket(node, text, std::move(parsed->passed_socket));
      for (SocketAddress& address : parsed->addresses) {
        addresses.push_back({.node = &node, .text = text, .address = std::move(address)});
      }
    });
  }

  /// What `bind` says depends on `except`, which may stand behind it.
  void bind_addresses() {
    for (Address& each : addresses) add_address(*each.node, each.text, std::move(each.address));
  }

  void add_passed_socket(const toml::node& node, std::string_view text, std::string name) const {
    const auto [entry, is_new] = bound.passed_sockets.emplace(name, position_of(node));
    if (is_new) {
      listener.passed_sockets.push_back(std::move(name));
      return;
    }
    settings.diagnostics().error(
        position_of(node),
        fmt::format("'bind': '{}' is already listened on at line {}", text, entry->second.line));
  }

  void add_address(const toml::node& node, std::string_view text, SocketAddress address) const {
    if (listener.expands(address) && address.ip->port == 0) {
      settings.diagnostics().error(
          position_of(node),
          fmt::format("'bind': '{}' with 'except' is several sockets, so it needs a port", text));
      return;
    }
    const bool is_chosen_later = address.ip && address.ip->port == 0;  // and then never one that is taken
    const auto* const earlier = is_chosen_later ? nullptr : bound.find_overlap(address, listener.except);
    if (earlier == nullptr) {
      bound.addresses.emplace(address,
                              BoundAddress{.position = position_of(node), .except = listener.except});
      listener.bind.push_back(std::move(address));
      return;
    }
    std::string what = address.to_string();
    what = what == text ? fmt::format("'{}'", what) : fmt::format("'{}' (of '{}')", what, text);
    settings.diagnostics().error(position_of(node), describe_overlap("bind", what, address, *earlier));
  }

  void read_protocols(const Setting& setting) const {
    ProtocolSet chosen;
    settings.each_text(setting, EmptyArray::legal, [&](const toml::node& node, std::string_view word) {
      const auto protocol = settings.choice<Protocol>(setting, node, word, protocol_choices);
      if (!protocol) return;
      if (chosen.contains(*protocol)) {
        settings.diagnostics().error(position_of(node),
                                     fmt::format("'protocols': '{}' stands there twice", word));
      }
      chosen.insert(*protocol);
    });
    listener.protocols = chosen;
  }

  void read_backend(const Setting& setting, std::optional<std::uint32_t>& index) const {
    if (const auto name = settings.text(setting)) {
      index = backends.resolve(setting.value, *name, settings.diagnostics());
    }
  }

  void read_prefixes(const Setting& setting, EmptyArray empty, std::vector<IpPrefix>& prefixes) const {
    settings.each_parsed(setting, empty, parse_prefix, [&](const toml::node& node, const IpPrefix& prefix) {
      if (std::ranges::find(prefixes, prefix) != prefixes.end()) {
        settings.diagnostics().error(
            position_of(node), fmt::format("'{}': {} stands there twice", setting.key, prefix.to_string()));
      }
      prefixes.push_back(prefix);
    });
  }

  void read_except(const Setting& setting) const {
    settings.each_parsed(setting, EmptyArray::legal, parse_local_address,
                         [&](const toml::node& node, const IpAddress& address) {
                           if (listener.excepts(address)) {
                             settings.diagnostics().error(
                                 position_of(node),
                                 fmt::format("'except': {} stands there twice", address.to_string()));
                           }
                           listener.except.push_back(address);
                         });
  }

  void read_count(const Setting& setting, std::uint32_t& count) const {
    if (const auto value = settings.integer(setting, connection_counts)) count = *value;
  }

  void read_duration(const Setting& setting, std::chrono::milliseconds& duration) const {
    if (const auto value = settings.duration(setting, any_duration)) duration = *value;
  }
};

using Key = KnownKey<ListenerTarget>;
constexpr std::array listener_keys{
    Key{"bind", [](ListenerTarget& target, const Setting& setting) { target.read_bind(setting); }},
    Key{"except", [](ListenerTarget& target, const Setting& setting) { target.read_except(setting); }},
    Key{"protocols", [](ListenerTarget& target, const Setting& setting) { target.read_protocols(setting); }},
    Key{"default",
        [](ListenerTarget& target, const Setting& setting) {
          target.read_backend(setting, target.listener.default_backend);
        }},
    Key{"silent",
        [](ListenerTarget& target, const Setting& setting) {
          target.read_backend(setting, target.listener.silent_backend);
        }},
    Key{"proxy_protocol",
        [](ListenerTarget& target, const Setting& setting) {
          const auto policy = target.settings.choice<ProxyHeaderPolicy>(setting, proxy_header_policies);
          if (policy) target.listener.proxy_header = *policy;
        }},
    Key{"trusted",
        [](ListenerTarget& target, const Setting& setting) {
          target.read_prefixes(setting, EmptyArray::fault, target.listener.trusted);
        }},
    Key{"allow",
        [](ListenerTarget& target, const Setting& setting) {
          target.read_prefixes(setting, EmptyArray::fault, target.listener.allow);
        }},
    Key{"deny",
        [](ListenerTarget& target, const Setting& setting) {
          target.read_prefixes(setting, EmptyArray::legal, target.listener.deny);
        }},
    Key{"first_flight_timeout",
        [](ListenerTarget& target, const Setting& setting) {
          target.read_duration(setting, target.listener.first_flight_timeout);
        }},
    Key{"first_flight_limit",
        [](ListenerTarget& target, const Setting& setting) {
          const auto limit = target.settings.size(setting, first_flight_limits);
          if (limit) target.listener.first_flight_limit = *limit;
        }},
    Key{"idle_timeout",
        [](ListenerTarget& target, const Setting& setting) {
          target.read_duration(setting, target.listener.idle_timeout);
        }},
    Key{"max_connections",
        [](ListenerTarget& target, const Setting& setting) {
          target.read_count(setting, target.listener.max_connections);
        }},
    Key{"max_connections_per_source",
        [](ListenerTarget& target, const Setting& setting) {
          target.read_count(setting, target.listener.source_limits.max_open);
        }},
    Key{"new_connections_per_source",
        [](ListenerTarget& target, const Setting& setting) {
          if (const auto rate = target.settings.rate(setting)) {
            target.listener.source_limits.new_connections = *rate;
          }
        }},
};

/// Only a wildcard leaves anything to be excepted.
void check_exceptions(const toml::table& table, const ListenerConfig& listener, DiagnosticList& diagnostics) {
  if (listener.except.empty() || listener.bind.empty()) return;
  const FilePosition position = position_of(*table.get("except"));
  const auto has_wildcard = [&](bool v4) {
    return std::ranges::any_of(listener.bind, [&](const SocketAddress& address) {
      return listener.expands(address) && address.ip->address.is_v4() == v4;
    });
  };
  if (!has_wildcard(true) && !has_wildcard(false)) {
    diagnostics.error(
        position,
        "'except' without a wildcard in 'bind': the listener takes only what is written there; bind "
        "\"*:443\", say, or leave 'except' out");
    return;
  }
  // A wildcard that is faulty itself is missing here.
  if (diagnostics.error_count() > 0) return;
  for (const IpAddress& exception : listener.except) {
    if (has_wildcard(exception.is_v4())) continue;
    diagnostics.warning(
        position, fmt::format("'except': {} is no address of the wildcard in 'bind', which takes {} alone",
                              exception.to_string(), exception.is_v4() ? "IPv6" : "IPv4"));
  }
}

/// Who may send a PROXY header, and whether one is looked for at all, are two keys that need each other.
void check_trust(const toml::table& table, const ListenerConfig& listener, DiagnosticList& diagnostics) {
  const toml::node* trusted = table.get("trusted");
  const toml::node* policy = table.get("proxy_protocol");
  if (listener.proxy_header == ProxyHeaderPolicy::off) {
    if (trusted == nullptr || (policy != nullptr && policy->value_or<std::string_view>("") != "off")) return;
    diagnostics.warning(position_of(*trusted), "'trusted' has no effect without 'proxy_protocol'");
    return;
  }
  // Who may connect to a unix socket is a matter of its permissions. What systemd passes may be one of TCP.
  const bool is_on_a_network =
      !listener.passed_sockets.empty() ||
      std::ranges::any_of(listener.bind, [](const SocketAddress& address) { return address.ip.has_value(); });
  if (trusted != nullptr || !is_on_a_network) return;
  diagnostics.warning(
      position_of(*policy),
      "'proxy_protocol' without 'trusted': anybody who can connect can claim any address; name your "
      "proxies, as in trusted = [\"10.0.0.0/8\"]");
}

}  // namespace

const BoundAddresses::Entry* BoundAddresses::find_overlap(const SocketAddress& address,
                                                          std::span<const IpAddress> except) const {
  const auto found = std::ranges::find_if(addresses, [&](const Entry& entry) {
    const SocketAddress& other = entry.first;
    if (other == address) return true;
    if (!other.ip || !address.ip || other.ip->port != address.ip->port) return false;
    if (other.ip->address.is_v4() != address.ip->address.is_v4()) return false;
    // A wildcard leaves what it excepts to others.
    const auto covers = [](const IpAddress& wide, std::span<const IpAddress> left, const IpAddress& narrow) {
      return wide.is_unspecified() && std::ranges::find(left, narrow) == left.end();
    };
    return covers(other.ip->address, entry.second.except, address.ip->address) ||
           covers(address.ip->address, except, other.ip->address);
  });
  return found == addresses.end() ? nullptr : &*found;
}

std::string describe_overlap(std::string_view key, std::string_view what, const SocketAddress& address,
                             const BoundAddresses::Entry& earlier) {
  const std::size_t line = earlier.second.position.line;
  if (earlier.first == address) return fmt::format("'{}': {} is already bound at line {}", key, what, line);
  return fmt::format(
      "'{}': {} cannot be bound beside '{}' at line {}: the wildcard takes the port on every address", key,
      what, earlier.first.to_string(), line);
}

ListenerConfig read_listener(const NameIndex::Definition& definition, const SettingReader& settings,
                             NameIndex& backends, BoundAddresses& bound) {
  ListenerConfig listener;
  listener.name = definition.name;
  listener.line = definition.position.line;
  const std::string where = fmt::format("[listener.{}]", definition.name);
  const toml::table* table = definition.table->as_table();
  if (table == nullptr) {
    settings.diagnostics().error(
        definition.position, fmt::format("{} must be a table, not {}", where, type_name(*definition.table)));
    return listener;
  }
  ListenerTarget target{settings, backends, bound, listener};
  read_table<ListenerTarget>(*table, where, listener_keys, target, settings);
  target.bind_addresses();
  check_exceptions(*table, listener, settings.diagnostics());
  check_trust(*table, listener, settings.diagnostics());
  if (table->get("bind") == nullptr) {
    settings.diagnostics().error(definition.position,
                                 fmt::format("{} has no 'bind'; write bind = [\"*:443\"], say", where));
  }
  return listener;
}

}  // namespace portshare
