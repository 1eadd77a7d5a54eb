// Which server of a backend gets the next connection.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/ip_address.h"
#include "dispatch/server_pool.h"

namespace portshare {

/// The choice of one worker among the servers of one pool. Servers that are down, drained or disabled get
/// nothing, nor do those with all the connections they may have; backups get something only when no other
/// server can. A server that rests, because connects to it have failed, is tried again by one connection
/// at a time when its rest is over; and before a client is refused without any try, it is
/// tried in any case.
class ServerChoice {
 public:
  /// Workers start at different servers, so that a few connections over many workers spread as well. The pool
  /// must outlive this.
  ServerChoice(const ServerPool& pool, std::uint32_t worker)
      : pool_(pool), worker_(worker), next_(2 * pool.backend_count(), worker) {}

  struct Request {
    std::uint32_t backend;
    /// The client's address, for source_hash; none, as of a unix socket: it takes turns.
    std::optional<IpAddress> source;
    std::span<const std::uint32_t> tried;  ///< not again
    std::chrono::microseconds now;
  };
  /// What pick() answers instead of an index.
  static constexpr std::uint32_t nobody = UINT32_MAX;
  static constexpr std::uint32_t all_full = UINT32_MAX - 1;  ///< somebody could, but has no room

  /// An index into ServerPool::servers, where the connection has its place from now on.
  [[nodiscard]] std::uint32_t pick(const Request& request, ServerPlace& place) {
    const BackendServers& backend = pool_.backend(request.backend);
    // What nearly every connection finds: servers that take turns, and the next one is well.
    if (backend.balance == Balance::round_robin && backend.max_connections == 0 && request.tried.empty() &&
        backend.groups[0].count != 0) {
      std::uint32_t& next = next_[2 * std::size_t{request.backend}];
      const std::uint32_t index = backend.groups[0].rounds->at(next);
      ServerState& state = *backend.servers[index].state;
      if (state.is_usable() && state.enter(worker_, 0, false, place)) {
        ++next;
        return index;
      }
    }
    return search(backend, request, place);
  }
  /// For a connection that is there already, from another process: also beyond what the server may have.
  void take_place(std::uint32_t backend, std::uint32_t server, ServerPlace& place) const {
    const BackendServers& servers = pool_.backend(backend);
    (void)servers.servers[server].state->enter(worker_, 0, servers.counts(), place);
  }
  /// Whether a pick could succeed where another one found all of them full. Changes nothing.
  [[nodiscard]] bool has_room(std::uint32_t backend) const;
  /// Whether any server is well, so that it makes sense to wait for room.
  [[nodiscard]] bool is_worth_waiting(std::uint32_t backend) const;

  void connect_succeeded(std::uint32_t backend, std::uint32_t server) const;
  void connect_failed(std::uint32_t backend, std::uint32_t server, Status status,
                      std::chrono::microseconds now) const;

 private:
  enum class Pass : std::uint8_t { usable, resting };
  [[nodiscard]] std::uint32_t search(const BackendServers& backend, const Request& request,
                                     ServerPlace& place);
  [[nodiscard]] std::uint32_t search(const BackendServers& backend, const ServerGroup& group, Pass pass,
                                     const Request& request, ServerPlace& place);
  [[nodiscard]] std::uint32_t take_turn(const BackendServers& backend, const ServerGroup& group, Pass pass,
                                        const Request& request, ServerPlace& place);
  [[nodiscard]] std::uint32_t take_least(const BackendServers& backend, const ServerGroup& group, Pass pass,
                                         const Request& request, ServerPlace& place);
  [[nodiscard]] std::uint32_t take_own(const BackendServers& backend, const ServerGroup& group, Pass pass,
                                       const Request& request, ServerPlace& place);
  [[nodiscard]] static bool may_take(const Server& server, std::uint32_t index, Pass pass,
                                     const Request& request);
  [[nodiscard]] bool enter(const BackendServers& backend, std::uint32_t index, ServerPlace& place);
  std::uint32_t next_turn(const ServerGroup& group, const Request& request) {
    return next_[2 * std::size_t{request.backend} + (group.first == 0 ? 0 : 1)]++;
  }

  const ServerPool& pool_;
  const std::uint32_t worker_;
  std::vector<std::uint32_t> next_;  // whose turn it is, by backend and group
};

}  // namespace portshare
