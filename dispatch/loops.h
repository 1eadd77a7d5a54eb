// Routes that lead back to portshare: a server of a backend that is one of our own listeners.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/ip_address.h"
#include "core/socket_address.h"
#include "dispatch/config.h"
#include "dispatch/diagnostics.h"
#include "dispatch/server_pool.h"

namespace portshare {

/// An address on which a listener takes connections.
struct ListenerAddress {
  std::uint32_t listener;  ///< index
  SocketAddress address;   ///< port 0: not known yet, and nobody's server
};

/// Finds the servers that close a circle: from a listener over a backend to one of our listeners, perhaps
/// over more of them, and back to the first. A connection on such a way would come round again and again
/// until the descriptors run out. One listener in front of another is no circle.
///
/// Every route of a listener counts, whatever it asks of a connection: names and addresses may change on the
/// way, and who needs a circle that only some connections take can lead them to their server at once.
class LoopFinder {
 public:
  using IsLocal = std::function<bool(const IpAddress& address)>;

  /// `servers`: by backend. `is_local`: whether an address is this host's, asked only where that decides.
  /// All of them must outlive this.
  LoopFinder(const Config& config, const std::vector<ListenerAddress>& listening,
             const std::vector<std::vector<SocketAddress>>& servers, IsLocal is_local);

  /// The circle that a server of this backend closes, as "listener 'a' -> backend 'b' -> listener 'a'"; none
  /// if it closes none.
  [[nodiscard]] std::optional<std::string> circle(std::uint32_t backend, const SocketAddress& server) const;
  /// Whether it would close one if its address, which is not this host's, became so.
  [[nodiscard]] bool might_close_circle(std::uint32_t backend, const SocketAddress& server) const;

 private:
  static constexpr std::uint32_t none = UINT32_MAX;
  struct Step {
    std::uint32_t backend = none;   // over which the listener was reached
    std::uint32_t listener = none;  // from which
  };

  [[nodiscard]] std::uint32_t owner(const SocketAddress& server, bool as_if_local) const;
  [[nodiscard]] std::optional<std::string> way_back(std::uint32_t listener, std::uint32_t backend) const;
  [[nodiscard]] std::string describe(const std::vector<Step>& steps, std::uint32_t last,
                                     std::uint32_t backend) const;

  const Config& config_;
  const std::vector<ListenerAddress>& listening_;
  const IsLocal is_local_;
  std::vector<std::vector<std::uint32_t>> leads_to_;  // by backend: listeners
};

/// At check time: as far as servers are addresses, and ports are known.
void check_loops(const Config& config, DiagnosticList& diagnostics);

/// At the start: with the addresses that names stand for and the ports that are bound. Also marks the servers
/// that have to be looked at after every connect, see Server. The error is the words of check_loops, a line
/// for each server.
[[nodiscard]] std::expected<void, std::string> check_loops(const Config& config,
                                                           const std::vector<ListenerAddress>& listening,
                                                           ServerPool& servers);

}  // namespace portshare
