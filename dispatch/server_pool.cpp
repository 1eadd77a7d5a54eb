#include "dispatch/server_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace portshare {

namespace {

/// Adds a server, unless two names or two places in the file lead to the same address: it is one server then,
/// and the first place counts.
void add_server(const BackendConfig& backend, std::uint32_t configured, const SocketAddress& address,
                ServerRegistry& registry, std::vector<Server>& servers) {
  const auto is_same = [&](const Server& server) { return server.address == address; };
  if (std::ranges::any_of(servers, is_same)) return;
  Server server;
  server.address = address;
  server.text = address.to_string();
  server.configured = configured;
  server.weight = backend.servers[configured].weight;
  server.state = registry.state_of(backend.name, server.text);
  servers.push_back(std::move(server));
}

ServerGroup make_group(const std::vector<Server>& servers, std::uint32_t first, std::uint32_t count,
                       Balance balance) {
  ServerGroup group{.first = first, .count = count, .rounds = {}, .maglev = {}};
  if (count == 0) return group;
  std::vector<std::uint32_t> weights;
  std::vector<MaglevServer> members;
  for (std::uint32_t index = first; index < first + count; ++index) {
    weights.push_back(servers[index].weight);
    members.push_back({.name = servers[index].text, .weight = servers[index].weight});
  }
  group.rounds.emplace(weights);
  if (balance == Balance::source_hash) group.maglev.emplace(members);
  return group;
}

BackendServers make_backend(const BackendConfig& config, std::vector<Server> servers,
                            ServerRegistry& registry) {
  BackendServers backend;
  const auto is_primary = [&](const Server& server) { return !config.servers[server.configured].is_backup; };
  const auto backups = std::ranges::stable_partition(servers, is_primary);
  const auto primary_count = static_cast<std::uint32_t>(backups.begin() - servers.begin());
  const auto count = static_cast<std::uint32_t>(servers.size());
  backend.groups = {make_group(servers, 0, primary_count, config.balance),
                    make_group(servers, primary_count, count - primary_count, config.balance)};
  backend.servers = std::move(servers);
  backend.balance = config.balance;
  backend.max_connections = config.max_connections;
  if (config.health) {
    backend.rules = {.fall = config.health->fall, .first_rest = config.health->interval, .is_checked = true};
  }
  backend.queue = registry.queue_of(config.name);
  return backend;
}

}  // namespace

std::expected<ServerPool, std::string> ServerPool::resolve(const Config& config, const HostLookup& lookup,
                                                           ServerRegistry& registry,
                                                           std::vector<std::string>* unresolved) {
  ServerPool pool;
  pool.backends_.reserve(config.backends.size());
  for (const BackendConfig& backend : config.backends) {
    std::vector<Server> servers;
    std::vector<std::string> unknown;
    for (std::uint32_t index = 0; index < backend.servers.size(); ++index) {
      const ServerAddress& server = backend.servers[index];
      if (server.address) {
        add_server(backend, index, *server.address, registry, servers);
        continue;
      }
      const auto addresses = lookup(server.host);
      if (!addresses) {
        unknown.push_back(fmt::format("{}:{}: backend '{}': cannot resolve server '{}': {}", config.file,
                                      server.position.line, backend.name, server.text, addresses.error()));
        continue;
      }
      for (const IpAddress& address : *addresses) {
        const SocketAddress resolved{.ip = IpEndpoint{.address = address, .port = server.port},
                                     .unix_path = {}};
        add_server(backend, index, resolved, registry, servers);
      }
    }
    const bool is_looked_up_again = backend.resolve.has_value() && backend.resolve->count() != 0;
    if (!unknown.empty() && servers.empty() && !is_looked_up_again) {
      return std::unexpected(std::move(unknown.front()));
    }
    if (unresolved) unresolved->insert(unresolved->end(), unknown.begin(), unknown.end());
    pool.backends_.push_back(make_backend(backend, std::move(servers), registry));
  }
  return pool;
}

}  // namespace portshare
