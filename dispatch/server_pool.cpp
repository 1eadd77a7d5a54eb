#include "dispatch/server_pool.h"

#include <fmt/format.h>

#include <utility>

namespace portshare {

std::expected<ServerPool, std::string> ServerPool::resolve(const Config& config, const HostLookup& lookup) {
  ServerPool pool;
  pool.backends_.reserve(config.backends.size());
  for (const BackendConfig& backend : config.backends) {
    std::vector<Server> servers;
    for (std::uint32_t index = 0; index < backend.servers.size(); ++index) {
      const ServerAddress& server = backend.servers[index];
      if (server.address) {
        servers.push_back(
            {.address = *server.address, .text = server.address->to_string(), .configured = index});
        continue;
      }
      const auto addresses = lookup(server.host);
      if (!addresses) {
        return std::unexpected(fmt::format("{}:{}: backend '{}': cannot resolve server '{}': {}", config.file,
                                           server.position.line, backend.name, server.text,
                                           addresses.error()));
      }
      for (const IpAddress& address : *addresses) {
        const SocketAddress resolved{.ip = IpEndpoint{.address = address, .port = server.port},
                                     .unix_path = {}};
        servers.push_back({.address = resolved, .text = resolved.to_string(), .configured = index});
      }
    }
    pool.backends_.push_back(std::move(servers));
  }
  return pool;
}

}  // namespace portshare
