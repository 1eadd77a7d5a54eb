// The servers behind the backends, as addresses that can be connected to, and what is worked out beforehand
// to choose among them.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/ip_address.h"
#include "core/maglev.h"
#include "core/socket_address.h"
#include "core/weighted_rounds.h"
#include "dispatch/config.h"
#include "dispatch/server_state.h"

namespace portshare {

struct Server {
  SocketAddress address;
  std::string text;              ///< for the access log
  std::uint32_t configured = 0;  ///< index into BackendConfig::servers
  std::uint32_t weight = 1;
  std::shared_ptr<ServerState> state;
  /// A connect to it may end at this very program: at the connecting socket itself, where nobody listens on a
  /// port from which connections go out (RFC 9293, 3.5: simultaneous open), or at a listener of ours.
  bool may_be_ourselves = false;
  bool leads_back_if_local = false;  ///< at a listener, once the address is this host's; see LoopFinder
};

/// Servers that stand for each other: those of a backend which are no backups, or those which are.
struct ServerGroup {
  std::uint32_t first = 0;  ///< index into BackendServers::servers
  std::uint32_t count = 0;
  std::optional<WeightedRounds> rounds;  ///< whose turn it is, from 0 on; none: the group is empty
  std::optional<MaglevTable> maglev;     ///< only for source_hash
};

struct BackendServers {
  std::vector<Server> servers;        ///< empty: no name has an address yet. The backups are last
  std::array<ServerGroup, 2> groups;  ///< the backups second
  Balance balance = Balance::round_robin;
  std::uint32_t max_connections = 0;  ///< of each server
  /// Connections are counted over all workers.
  [[nodiscard]] bool counts() const { return max_connections != 0 || balance == Balance::least_connections; }
  ConnectRules rules;
  std::shared_ptr<ServerQueue> queue;
};

/// Looks a host name up; the error is a sentence. May block.
using HostLookup = std::function<std::expected<std::vector<IpAddress>, std::string>(const std::string& host)>;

/// All servers of all backends. Immutable and shared by the workers, but for the states of the servers, which
/// are the registry's.
class ServerPool {
 public:
  ServerPool() = default;
  /// Resolves every server that is given by name; each of its addresses becomes a server. What the registry
  /// knows of a server goes on. An unknown name is an error, which names its place in the file, unless
  /// the backend has another server, or its `resolve` says that the name is looked up again: then
  /// `unresolved` gets the sentence (may be null).
  static std::expected<ServerPool, std::string> resolve(const Config& config, const HostLookup& lookup,
                                                        ServerRegistry& registry,
                                                        std::vector<std::string>* unresolved = nullptr);

  /// The servers of a backend, by its index in the configuration.
  [[nodiscard]] const std::vector<Server>& servers(std::uint32_t backend) const {
    return backends_[backend].servers;
  }
  [[nodiscard]] const BackendServers& backend(std::uint32_t backend) const { return backends_[backend]; }
  /// Before workers share the pool.
  [[nodiscard]] std::vector<Server>& servers_to_mark(std::uint32_t backend) {
    return backends_[backend].servers;
  }
  [[nodiscard]] std::size_t backend_count() const { return backends_.size(); }

 private:
  std::vector<BackendServers> backends_;
};

}  // namespace portshare
