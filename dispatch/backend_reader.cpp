#include "dispatch/backend_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "dispatch/config_addresses.h"
#include "dispatch/health_reader.h"

namespace portshare {
namespace {

constexpr std::array balances{Choice<Balance>{"round_robin", Balance::round_robin},
                              Choice<Balance>{"least_connections", Balance::least_connections},
                              Choice<Balance>{"source_hash", Balance::source_hash}};
constexpr std::array proxy_header_versions{Choice<ProxyHeaderVersion>{"off", ProxyHeaderVersion::off},
                                           Choice<ProxyHeaderVersion>{"v1", ProxyHeaderVersion::v1},
                                           Choice<ProxyHeaderVersion>{"v2", ProxyHeaderVersion::v2}};

/// The keys that say where connections go. A backend has one of them: its lane.
constexpr std::array<std::string_view, 4> lanes{"servers", "handoff", "directory", "steer"};

/// A server written as a table.
struct ServerTableTarget {
  const SettingReader& settings;
  std::optional<ServerAddress> address;
  std::uint32_t weight = 1;
  bool is_backup = false;
};

constexpr std::array server_table_keys{
    KnownKey<ServerTableTarget>{"address",
                                [](ServerTableTarget& target, const Setting& setting) {
                                  target.address = target.settings.parsed(setting, parse_server_address);
                                }},
    KnownKey<ServerTableTarget>{"weight",
                                [](ServerTableTarget& target, const Setting& setting) {
                                  const auto weight = target.settings.integer(setting, {1, 1000});
                                  if (weight) target.weight = *weight;
                                }},
    KnownKey<ServerTableTarget>{"backup",
                                [](ServerTableTarget& target, const Setting& setting) {
                                  target.is_backup = target.settings.boolean(setting).value_or(false);
                                }},
};

struct BackendTarget {
  const SettingReader& settings;
  BackendConfig& backend;

  void read_servers(const Setting& setting) const {
    const toml::array* servers = settings.array(setting, SettingReader::EmptyArray::fault);
    if (servers == nullptr) return;
    for (const toml::node& node : *servers) {
      if (const auto* text = node.as_string()) {
        auto address = parse_server_address(text->get());
        if (address) {
          add_server(node, std::move(*address));
        } else {
          settings.diagnostics().error(position_of(node), fmt::format("'servers': {}", address.error()));
        }
      } else if (const toml::table* table = node.as_table()) {
        read_server_table(*table);
      } else {
        settings.diagnostics().error(
            position_of(node),
            fmt::format("'servers' must contain strings and tables, not {}", type_name(node)));
      }
    }
  }

  void read_server_table(const toml::table& table) const {
    ServerTableTarget target{.settings = settings, .address = {}};
    read_table<ServerTableTarget>(table, "a server's table", server_table_keys, target, settings);
    if (table.get("address") == nullptr) {
      settings.diagnostics().error(position_of(table), "a server's table without 'address'");
    }
    if (!target.address) return;
    target.address->weight = target.weight;
    target.address->is_backup = target.is_backup;
    add_server(table, std::move(*target.address));
  }

  void add_server(const toml::node& node, ServerAddress server) const {
    server.position = position_of(node);
    const auto same = [&](const ServerAddress& other) {
      return other.address == server.address && other.host == server.host && other.port == server.port;
    };
    const auto earlier = std::ranges::find_if(backend.servers, same);
    if (earlier != backend.servers.end()) {
      settings.diagnostics().error(position_of(node), fmt::format("'servers': '{}' stands already at line {}",
                                                                  server.text, earlier->position.line));
      return;
    }
    backend.servers.push_back(std::move(server));
  }
};

using Key = KnownKey<BackendTarget>;
constexpr std::array backend_keys{
    Key{"servers", [](BackendTarget& target, const Setting& setting) { target.read_servers(setting); }},
    Key{"balance",
        [](BackendTarget& target, const Setting& setting) {
          const auto balance = target.settings.choice<Balance>(setting, balances);
          if (balance) target.backend.balance = *balance;
        }},
    Key{"connect_timeout",
        [](BackendTarget& target, const Setting& setting) {
          const auto timeout = target.settings.duration(setting, positive_duration);
          if (timeout) target.backend.connect_timeout = *timeout;
        }},
    Key{"retries",
        [](BackendTarget& target, const Setting& setting) {
          const auto retries = target.settings.integer(setting, {0, 100});
          if (retries) target.backend.retries = *retries;
        }},
    Key{"proxy_protocol",
        [](BackendTarget& target, const Setting& setting) {
          const auto version = target.settings.choice<ProxyHeaderVersion>(setting, proxy_header_versions);
          if (version) target.backend.proxy_header = *version;
        }},
    Key{"forwarded",
        [](BackendTarget& target, const Setting& setting) {
          target.backend.forwarded = target.settings.boolean(setting).value_or(false);
        }},
    Key{"transparent",
        [](BackendTarget& target, const Setting& setting) {
          target.backend.is_transparent = target.settings.boolean(setting).value_or(false);
        }},
    Key{"max_connections",
        [](BackendTarget& target, const Setting& setting) {
          const auto most = target.settings.integer(setting, {0, UINT32_MAX});
          if (most) target.backend.max_connections = *most;
        }},
    Key{"health",
        [](BackendTarget& target, const Setting& setting) {
          target.backend.health = read_health(setting, target.settings);
        }},
    Key{"resolve",
        [](BackendTarget& target, const Setting& setting) {
          target.backend.resolve = target.settings.duration(setting, any_duration);
        }},
    Key{"handoff",
        [](BackendTarget& target, const Setting& setting) {
          if (target.settings.text(setting)) target.settings.not_supported_yet(setting);
        }},
    Key{"directory",
        [](BackendTarget& target, const Setting& setting) {
          const auto path = target.settings.text(setting);
          if (!path) return;
          if (path->starts_with('/')) {
            target.settings.not_supported_yet(setting);
          } else {
            target.settings.fault(setting, "must be an absolute path");
          }
        }},
    Key{"steer",
        [](BackendTarget& target, const Setting& setting) {
          const auto address = target.settings.parsed(setting, parse_socket_address);
          if (!address) return;
          if (address->ip) {
            target.settings.not_supported_yet(setting);
          } else {
            target.settings.fault(setting, "must be an IP address and port");
          }
        }},
};

/// What is legal by itself and makes no sense together.
void check_servers(const BackendConfig& backend, const toml::table& table, const SettingReader& settings) {
  const bool has_primaries =
      std::ranges::any_of(backend.servers, [](const ServerAddress& server) { return !server.is_backup; });
  if (!backend.servers.empty() && !has_primaries) {
    settings.diagnostics().warning(position_of(*table.get("servers")),
                                   "'servers': all of them are backups, so they are used as if none were");
  }
  if (!backend.is_transparent) return;
  for (const ServerAddress& server : backend.servers) {
    if (!server.address || server.address->ip) continue;
    settings.diagnostics().error(
        server.position,
        fmt::format("'servers': '{}' does not go with 'transparent': a unix socket sees no address",
                    server.text));
  }
}

}  // namespace

BackendConfig read_backend(const NameIndex::Definition& definition, const SettingReader& settings) {
  BackendConfig backend;
  backend.name = definition.name;
  backend.line = definition.position.line;
  const std::string where = fmt::format("[backend.{}]", definition.name);
  const toml::table* table = definition.table->as_table();
  if (table == nullptr) {
    settings.diagnostics().error(
        definition.position, fmt::format("{} must be a table, not {}", where, type_name(*definition.table)));
    return backend;
  }
  BackendTarget target{settings, backend};
  read_table<BackendTarget>(*table, where, backend_keys, target, settings);

  const auto given =
      std::ranges::count_if(lanes, [&](std::string_view lane) { return table->contains(lane); });
  if (given != 1) {
    settings.diagnostics().error(
        definition.position, fmt::format("{} needs one of '{}'; it has {}", where, fmt::join(lanes, "', '"),
                                         given == 0 ? "none" : "several"));
  }
  check_servers(backend, *table, settings);
  return backend;
}

}  // namespace portshare
