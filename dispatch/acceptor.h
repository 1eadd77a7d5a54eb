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
  static constexpr std::size_t most_accepts = 4;

  /// `accepts`: how many to keep in flight, 1 to `most_accepts`; as many connections may still come after
  /// stop().
  Acceptor(Worker& worker, std::uint32_t listener, Socket socket, std::size_t accepts);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

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
  std::size_t accepts_;
  std::array<Op, most_accepts> ops_;
};

}  // namespace portshare
