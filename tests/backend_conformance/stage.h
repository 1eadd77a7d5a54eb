// What the conformance suite needs to put an engine on stage: the engine, and the few things around it that
// differ.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "core/socket_address.h"
#include "platform/backend.h"
#include "platform/op.h"

namespace portshare {

/// Sockets, files and limits of one test. Outlives its loops.
class Stage {
 public:
  Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  virtual ~Stage() = default;

  /// The reason if this system has no such engine. Called once.
  virtual std::expected<std::unique_ptr<Backend>, std::string> make_backend() = 0;

  /// Port 0 takes a free one. Nothing if the system lacks the address family.
  virtual std::optional<Socket> listen(const SocketAddress& address) = 0;
  virtual SocketAddress address_of(Socket listener) = 0;
  virtual void close_listener(Socket listener) = 0;
  /// Takes one connection into its queue and leaves the next ones unanswered until that one is accepted.
  virtual Socket listen_with_short_queue(const SocketAddress& address) = 0;
  /// A path at which nothing is yet.
  virtual SocketAddress unix_address() = 0;

  /// No descriptor can be opened any more, until `allow_descriptors`.
  virtual void forbid_descriptors() = 0;
  virtual void allow_descriptors() = 0;

  /// How long a turn may wait for something outside of the loop; none: for ever.
  [[nodiscard]] virtual std::optional<std::chrono::milliseconds> wait_for_threads() const = 0;
  /// More than all buffers of a connection take.
  [[nodiscard]] virtual std::size_t bulk_size() const = 0;
};

struct EngineCase {
  std::string name;
  std::function<std::unique_ptr<Stage>()> make_stage;
};
inline std::ostream& operator<<(std::ostream& out, const EngineCase& engine) {
  return out << engine.name;
}

/// io_uring, epoll, the calm simulator, and some seeds of the simulator with everything that a healthy system
/// may do.
std::vector<EngineCase> all_engines();

}  // namespace portshare
