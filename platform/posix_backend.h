// What the engines of Linux have in common.
#pragma once

#include <optional>

#include "platform/backend.h"
#include "platform/spare_sockets.h"

namespace portshare {

/// Waking, addresses, clock, and the parts of connect and receive that do not depend on how an engine waits.
class PosixBackend : public Backend {
 public:
  ~PosixBackend() override;

  void wake() final;
  [[nodiscard]] std::optional<IpEndpoint> local_endpoint(Socket socket) final;
  [[nodiscard]] std::optional<IpEndpoint> peer_endpoint(Socket socket) final;
  void expect_bulk(Socket socket) final;
  [[nodiscard]] std::chrono::microseconds now() final;
  [[nodiscard]] std::vector<std::uint8_t> empty_pipe(Pipe pipe) final;
  void release_pipe(Pipe pipe, bool is_empty) final { pipes_.release(pipe, is_empty); }
  [[nodiscard]] std::size_t pipes_in_use() const final { return pipes_.in_use(); }

 protected:
  /// Opens the descriptor behind wake(); an errno, 0 if that worked.
  [[nodiscard]] int open_wake_descriptor();
  [[nodiscard]] int wake_descriptor() const { return wake_descriptor_; }
  /// After the descriptor became readable.
  void consume_wake() const;

  /// Opens the socket of a connect, non-blocking, bound to its source if it has one, into `op.socket`. False:
  /// `op` has failed and is in `done`.
  [[nodiscard]] bool open_socket(Op& op, OpQueue& done);
  /// Connects `op.socket`, which is open. True: `op` is in `done`, which it is mostly for a server on this
  /// host. False: to be tried again when the socket has become writable, or by retry_unix_connects().
  [[nodiscard]] bool try_connect(Op& op, OpQueue& done);
  [[nodiscard]] static SpareSockets::Kind spare_kind(const Op& op);
  /// Of a connect whose socket may be connected by now: the errno of its failure, 0 if it is connected (with
  /// `op.count` of the bytes sent), nothing if that is not known yet, or there is no room.
  static std::optional<int> send_first_bytes(Op& op);
  /// The end of a connect, in either way: closes the socket of one that failed.
  static void finish_connect(Op& op, int error, OpQueue& done);

  /// Whether the stream has ended, and nothing is left to receive.
  [[nodiscard]] static bool is_at_end(Socket socket);

  enum class Attempt : std::uint8_t {
    over,     ///< the op is in `done`
    waits,    ///< to be tried again when the socket is ready; if it was, to be done with a buffer
    no_pipe,  ///< to be done with a buffer
  };
  [[nodiscard]] Attempt try_receive_bulk(Op& op, OpQueue& done);
  /// Of bytes in a pipe. False: to be tried again when the socket is ready.
  [[nodiscard]] static bool try_send_from_pipe(const PipePool& pipes, Op& op, OpQueue& done);
  [[nodiscard]] const PipePool& pipes() const { return pipes_; }

  /// The end of a send that the system has taken `sent` bytes of, or refused with -errno.
  static void finish_send(Op& op, long sent, OpQueue& done);
  /// The flags of its call, without those that make it wait or not.
  [[nodiscard]] static int send_flags(const Op& op);

  /// Connecting to a unix socket never takes time in the kernel: it succeeds or fails at once, or the
  /// server's queue is full (EAGAIN). TCP would send its SYN again in that case, so we try again too, every
  /// few milliseconds, until it works or the op is cancelled.
  void connect_unix(Op& op, OpQueue& done);
  void retry_unix_connects(OpQueue& done);
  /// `wait`, cut short if a unix connect is to be tried again.
  [[nodiscard]] std::optional<std::chrono::milliseconds> wait_for_retry(
      std::optional<std::chrono::milliseconds> wait) const;
  /// Cancels a connect that waits for its next attempt; false if `op` is not one.
  [[nodiscard]] bool cancel_unix_connect(Op& op, OpQueue& done);

  /// A receive for which the pool has no buffer fails only if there is something to receive. Finishes `op` if
  /// there is (the bytes stay in the socket), or if the stream has ended; false if it has to go on waiting.
  [[nodiscard]] static bool finish_without_buffer(Op& op, OpQueue& done);

  /// After an accept or a socket that failed: true if it was for want of a descriptor, and sockets that were
  /// kept have been closed, so that trying again makes sense.
  [[nodiscard]] bool gives_spares_up(int error);

  /// Before a close: true if the socket is kept for another connection, and must not be closed.
  [[nodiscard]] bool keep_socket(const Op& op);
  /// Makes the close that follows a reset.
  static void abort_on_close(Socket socket);
  static void finish_shutdown(Op& op, OpQueue& done);

  /// Ends `op` with what an errno means; 0 is success.
  static void settle(Op& op, int error, OpQueue& done);

 private:
  int wake_descriptor_ = -1;
  PipePool pipes_;
  SpareSockets spare_sockets_;
  OpQueue unix_connects_;  // with a socket, waiting for room in the server's queue
  std::chrono::microseconds next_unix_attempt_{};
};

}  // namespace portshare
