// The servers behind the backends, as addresses that can be connected to.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "core/ip_address.h"
#include "core/socket_address.h"
#include "dispatch/config.h"

namespace portshare {

struct Server {
  SocketAddress address;
  std::string text;              ///< for the access log
  std::uint32_t configured = 0;  ///< index into BackendConfig::servers
  /// A connect to it may end at this very program: at the connecting socket itself, where nobody listens on a
  /// port from which connections go out (RFC 9293, 3.5: simultaneous open), or at a listener of ours.
  bool may_be_ourselves = false;
  bool leads_back_if_local = false;  ///< at a listener, once the address is this host's; see LoopFinder
};

/// Looks a host name up; the error is a sentence. May block.
using HostLookup = std::function<std::expected<std::vector<IpAddress>, std::string>(const std::string& host)>;

/// All servers of all backends. Immutable and shared by the workers; each worker keeps its own place in the
/// rounds.
class ServerPool {
 public:
  /// Resolves every server that is given by name; each of its addresses becomes a server. The error names the
  /// place in the file and the name that could not be resolved.
  static std::expected<ServerPool, std::string> resolve(const Config& config, const HostLookup& lookup);

  /// The servers of a backend, by its index in the configuration: at least one.
  [[nodiscard]] const std::vector<Server>& servers(std::uint32_t backend) const { return backends_[backend]; }
  /// Before workers share the pool.
  [[nodiscard]] std::vector<Server>& servers_to_mark(std::uint32_t backend) { return backends_[backend]; }
  [[nodiscard]] std::size_t backend_count() const { return backends_.size(); }

 private:
  std::vector<std::vector<Server>> backends_;
};

/// Whose turn it is, per backend, for one worker.
class RoundRobin {
 public:
  /// Workers start at different servers, so that a few connections over many workers spread as well.
  RoundRobin(const ServerPool& pool, std::uint32_t worker)
      : pool_(pool), next_(pool.backend_count(), worker) {}

  /// An index into ServerPool::servers.
  std::uint32_t next(std::uint32_t backend) {
    return next_[backend]++ % static_cast<std::uint32_t>(pool_.servers(backend).size());
  }

 private:
  const ServerPool& pool_;
  std::vector<std::uint32_t> next_;
};

}  // namespace portshare
