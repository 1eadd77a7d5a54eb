// What an engine (io_uring, epoll, the simulator) does for a loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/ip_address.h"
#include "platform/buffers.h"
#include "platform/op.h"

namespace portshare {

/// One engine, used by one loop on one thread; `wake` alone may be called by others.
///
/// What every engine promises, and the conformance suite checks:
/// - An op handed over comes back through `done` exactly once, `finished`. Nothing calls back from inside the
/// backend.
/// - accept: a connected socket, close-on-exec, or a failure. A connection that died in the queue is not
/// reported.
/// - connect: makes the socket itself; on failure or cancellation it is closed already and `socket` is
/// `none`. Sends of its first bytes what the system takes, without waiting.
/// - receive: waits until there is something, then takes a buffer of the pool; nothing waits with a buffer in
/// hand. Lack of a
///   pool buffer ends it with `no_resources`. Count 0 with `ok` is the end of the stream, and again for every
///   later receive. `last` is set only if the stream has ended behind these bytes.
/// - receive_now: likewise, but it ends with `nothing_yet` where it would wait.
/// - bulk receive: likewise, with the bytes in a pipe or a buffer, as it suits the engine; no pipe waits
/// either.
/// - send: some of the bytes, at least one. Never raises a signal, if the process ignores SIGPIPE: for bytes
///   from a pipe the system has no MSG_NOSIGNAL. With `ends_stream`, and all of the bytes
///   taken, it shuts the sending side down, too, and sets `last`; should that fail, the send has failed.
/// - shutdown: ends the sending side, after everything sent before.
/// - close: always `ok`; the socket is gone, whatever it reported. No other op of that socket may be in
/// flight. `handed_over`: nothing has happened to the connection.
/// - cancel: the op ends soon, `cancelled` or with what had happened already; what it took (a socket, bytes)
/// is in its result.
/// - Ops of one socket come back in the order in which the system ended them: a reset is told before the end
/// of the stream
///   that a later receive reads in its place.
/// - One receive and one send (or shutdown) may be in flight per socket; any number of accepts per listener.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  /// The one call of a turn: takes all of `queued`, waits until something has ended, `wake` was called or
  /// `wait` is over (none: for ever; zero: not at all), and appends what has ended to `done`. May return
  /// early with nothing.
  virtual void submit_and_wait(OpQueue& queued, OpQueue& done,
                               std::optional<std::chrono::milliseconds> wait) = 0;

  /// Asks for the early end of an op that the backend has.
  virtual void cancel(Op& in_flight) = 0;

  /// Ends a wait in submit_and_wait, the present or the next one. Thread-safe.
  virtual void wake() = 0;

  /// The address that the client connected to, and the client's own; none for a unix socket.
  [[nodiscard]] virtual std::optional<IpEndpoint> local_endpoint(Socket socket) = 0;
  [[nodiscard]] virtual std::optional<IpEndpoint> peer_endpoint(Socket socket) = 0;

  /// Of a connection that much is going to be sent on. Nothing that either end could notice, but the cost.
  virtual void expect_bulk(Socket socket) = 0;

  /// Reads what is in a pipe that a receive has brought, all of it, and takes the pipe back.
  [[nodiscard]] virtual std::vector<std::uint8_t> empty_pipe(Pipe pipe) = 0;
  /// Takes back a pipe that a receive has brought. `is_empty`: else what is in it is thrown away.
  virtual void release_pipe(Pipe pipe, bool is_empty) = 0;

  /// Pipes brought and not taken back.
  [[nodiscard]] virtual std::size_t pipes_in_use() const = 0;

  /// A clock that never goes back; its zero means nothing.
  [[nodiscard]] virtual std::chrono::microseconds now() = 0;

  [[nodiscard]] virtual std::string_view name() const = 0;

  /// From here receives take their buffers; set by the loop before anything else is called.
  void set_buffers(BufferPool& buffers) { buffers_ = &buffers; }

 protected:
  [[nodiscard]] BufferPool& buffers() { return *buffers_; }

  /// The one way in which an op comes back.
  static void finish(Op& op, Status status, OpQueue& done) {
    op.status = status;
    op.state = Op::State::finished;
    done.push(op);
  }

 private:
  BufferPool* buffers_ = nullptr;
};

}  // namespace portshare
