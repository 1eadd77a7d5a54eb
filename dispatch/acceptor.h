// Takes connections off one listening socket.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "platform/loop.h"

namespace portshare {

class Worker;
class WorkerSnapshot;

/// Keeps several accepts in flight, so that a burst of connections is taken in one turn of the loop. The
/// socket is borrowed. What arrives is served by the snapshot that the acceptor has at that moment, and pins.
class Acceptor {
 public:
  static constexpr std::size_t most_accepts = 4;

  /// `accepts`: how many to keep in flight, 1 to `most_accepts`; as many connections may still come after
  /// stop().
  Acceptor(Worker& worker, WorkerSnapshot& snapshot, std::uint32_t listener, Socket socket,
           std::size_t accepts);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  /// Quiet.
  ~Acceptor();

  void start();
  /// The socket is a newer snapshot's, too.
  void move_to(WorkerSnapshot& snapshot, std::uint32_t listener);
  /// Accepts that are in flight are cancelled; a connection that has been accepted by then is still served.
  void stop();
  /// Asks the system anew. An accept of io_uring that waits in another process may have been woken for a
  /// connection and then cancelled, and nobody else is told of that connection until the next one comes.
  void renew();
  [[nodiscard]] bool is_quiet() const;
  [[nodiscard]] Socket socket() const { return socket_; }
  [[nodiscard]] std::size_t accepts() const { return accepts_; }

 private:
  void completed(Op& op);

  Worker& worker_;
  WorkerSnapshot* snapshot_;
  std::uint32_t listener_;
  Socket socket_;
  bool accepting_ = false;
  std::size_t accepts_;
  std::array<Op, most_accepts> ops_;
};

}  // namespace portshare
