// Takes connections off one listening socket.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "platform/loop.h"

namespace portshare {

class Worker;

/// Keeps several accepts in flight, so that a burst of connections is taken in one turn of the loop. The
/// socket is borrowed.
class Acceptor {
 public:
  Acceptor(Worker& worker, std::uint32_t listener, Socket socket);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  /// Connections that may still come after stop().
  static constexpr std::size_t accepts_in_flight = 16;

  void start();
  /// Accepts that are in flight are cancelled; a connection that has been accepted by then is still served.
  void stop();
  [[nodiscard]] bool is_quiet() const;

 private:
  void completed(Op& op);

  Worker& worker_;
  std::uint32_t listener_;
  Socket socket_;
  bool accepting_ = false;
  std::array<Op, accepts_in_flight> ops_;
};

}  // namespace portshare
