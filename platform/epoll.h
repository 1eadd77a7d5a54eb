// The epoll engine: tries each operation itself and waits for readiness where the kernel has nothing yet.
#pragma once

#include <expected>
#include <memory>
#include <vector>

#include "platform/posix_backend.h"

struct epoll_event;

namespace portshare {

/// One epoll instance. Operations are tried when they are submitted, and a socket is registered only once one
/// of them has to wait; from then on it stays registered, edge-triggered, so that most operations cost
/// exactly one system call. Listeners are level-triggered and wake one of the workers that wait for them.
///
/// A connection that operations have used must be closed by one: only close, accept and connect tell the
/// backend that a number means another socket from now on. A listener may be closed by anybody once its
/// accepts have ended and their turn is over.
class EpollBackend final : public PosixBackend {
 public:
  /// The errno of what failed.
  static std::expected<std::unique_ptr<EpollBackend>, int> create();
  ~EpollBackend() override;

  void submit_and_wait(OpQueue& queued, OpQueue& done,
                       std::optional<std::chrono::milliseconds> wait) override;
  void cancel(Op& in_flight) override;
  [[nodiscard]] std::string_view name() const override { return "epoll"; }

 private:
  /// What is known about a descriptor; a table of these is indexed by the descriptor's number.
  struct Descriptor {
    Op* reader = nullptr;          // waits for input; of a listener the first of a chain of accepts
    Op* writer = nullptr;          // waits for room, or to be connected
    std::uint32_t generation = 0;  // tells an earlier socket's events from those of this one
    std::uint32_t interest = 0;    // the events it is registered for; 0: not registered
    bool may_have_input = true;    // false: nothing to receive now, and an event will say when there is
    bool has_urgent_byte = false;  // a receive stops before it, and no event follows
    bool ended = false;            // the peer's end or an error was reported: no event need follow
    bool stream_ended = false;     // the end, and no error
  };

  EpollBackend() = default;
  [[nodiscard]] int open();

  [[nodiscard]] Descriptor& descriptor_of(Socket socket);
  /// Makes sure that `events` of the socket are reported; false: errno says why not.
  [[nodiscard]] bool watch(Socket socket, Descriptor& descriptor, std::uint32_t events);
  /// For a socket that has just come into being.
  void reset(Socket socket);

  void submit(Op& op, OpQueue& done);
  void submit_accept(Op& op, OpQueue& done);
  void submit_connect(Op& op, OpQueue& done);
  void submit_receive(Op& op, OpQueue& done);
  void submit_send(Op& op, OpQueue& done);
  void close(Op& op, OpQueue& done);

  /// Forgets the listeners for which no accept waits any more. A level-triggered one would wake us for ever,
  /// and it may be closed without our knowing.
  void rest_listeners();

  void handle(const epoll_event& event, OpQueue& done);
  void handle_listener(Socket listener, Descriptor& descriptor, OpQueue& done);

  /// Tries the operation; false if it has to wait.
  [[nodiscard]] bool try_accept(Op& op, OpQueue& done);
  [[nodiscard]] bool try_receive(Op& op, Descriptor& descriptor, OpQueue& done);
  [[nodiscard]] bool try_send(Op& op, OpQueue& done);

  int epoll_ = -1;
  int turns_without_wait_ = 0;
  OpQueue ended_;  // between two turns
  std::vector<Descriptor> descriptors_;
  std::vector<Socket> listeners_at_rest_;  // whose last accept has ended, unless another one has come since
};

}  // namespace portshare
