// The event loop of one worker: starts operations, runs their callbacks, keeps the timers.
#pragma once

#include <atomic>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/timer_wheel.h"
#include "platform/backend.h"
#include "platform/buffers.h"
#include "platform/op.h"

namespace portshare {

/// Starting an operation only fills the op and links it into a queue; the backend sees the whole queue once
/// per turn. Callbacks run after the turn's completions are collected, one after the other, and may start and
/// cancel anything. Everything but post() belongs to the thread that runs the loop. An op must be idle when
/// it is started.
class Loop {
 public:
  /// `buffer_limit`: how many buffers may be out at a time, see BufferPool.
  explicit Loop(std::unique_ptr<Backend> backend, std::size_t buffer_limit = SIZE_MAX);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  /// No operation may be pending.
  ~Loop();

  void accept(Op& op, Socket listener) {
    start(op, Op::Kind::accept, Socket::none);
    op.listener = listener;
  }
  /// `address` must live until the callback.
  void connect(Op& op, const SocketAddress& address, Opening opening = {}) {
    start(op, Op::Kind::connect, Socket::none);
    op.address = &address;
    op.first_bytes = opening.bytes.data();
    op.length = static_cast<std::uint32_t>(opening.bytes.size());
    op.data_follows = opening.follows || !opening.bytes.empty();
  }
  /// The same from a given source address, which needs a privilege (can_connect_transparently()).
  void connect(Op& op, const SourcedAddress& address, Opening opening = {}) {
    connect(op, static_cast<const SocketAddress&>(address), opening);
    op.has_source = true;
  }
  /// The bytes come in a buffer of buffers(), see Op::take_buffer.
  void receive(Op& op, Socket socket) { start(op, Op::Kind::receive, socket); }
  /// What has come by now; `nothing_yet` if the receive would have to wait.
  void receive_now(Op& op, Socket socket) {
    start(op, Op::Kind::receive, socket);
    op.only_now = true;
  }
  /// For a stream of which much is to come, and which nobody looks at: the bytes, at most `most`, come in a
  /// pipe (Op::take_pipe), and are never copied, or in a buffer if there is no pipe to be had.
  void receive_bulk(Op& op, Socket socket, std::uint32_t most) {
    start(op, Op::Kind::receive, socket);
    op.is_bulk = true;
    op.length = most;
  }
  /// `bytes`, at least one, must live until the callback. `count` may be less than asked: send the rest then.
  void send(Op& op, Socket socket, ByteView bytes) { start_send(op, socket, bytes, false); }
  /// Sends `bytes` and behind them the end of the stream, if possible in the same packet. If only some of the
  /// bytes were taken, nothing has ended: `op.last` tells.
  void send_last(Op& op, Socket socket, ByteView bytes) { start_send(op, socket, bytes, true); }
  /// Sends the next `count` bytes of a pipe, at least one. `op.count` may be less.
  void send_from(Op& op, Socket socket, Pipe pipe, std::uint32_t count) {
    start(op, Op::Kind::send, socket);
    op.length = count;
    op.pipe = pipe;
  }
  /// Ends the sending side: the peer reads the end of the stream.
  void shutdown(Op& op, Socket socket) { start(op, Op::Kind::shutdown, socket); }
  /// No other op of this socket may be pending.
  void close(Op& op, Socket socket, CloseMode mode) {
    op.close_mode = mode;
    start(op, Op::Kind::close, socket);
  }

  /// Asks for the early end of a pending op. Its callback runs in a later turn, `cancelled` or with what had
  /// happened before. No effect on one that is idle, finished or already asked; a close is not cancelled.
  void cancel(Op& op);

  /// `timer` fires once, in the turn in which now() reaches `delay` from now, never before. Arming again
  /// moves it.
  void arm(Timer& timer, std::chrono::milliseconds delay);
  void cancel(Timer& timer) { timers_.cancel(timer); }

  /// One turn: submit, wait until something happens or a timer is due (at most `longest`), run callbacks.
  void run_once(std::optional<std::chrono::milliseconds> longest = std::nullopt);
  /// Turns until stop() is called from within a callback.
  void run();
  void stop() { stopping_ = true; }

  /// Runs `task` on the loop's thread in one of its next turns. Thread-safe; for rare events, not for the
  /// data path.
  void post(std::function<void()> task);

  /// The time of the present turn: the same for all of its callbacks.
  [[nodiscard]] std::chrono::microseconds now() const { return now_; }
  [[nodiscard]] BufferPool& buffers() { return buffers_; }
  [[nodiscard]] Backend& backend() { return *backend_; }
  /// Operations started whose callback has not run yet.
  [[nodiscard]] std::size_t pending() const { return pending_; }
  /// Since the beginning.
  [[nodiscard]] std::uint64_t turns() const { return turns_; }

 private:
  void start_send(Op& op, Socket socket, ByteView bytes, bool ends_stream) {
    start(op, Op::Kind::send, socket);
    op.data = bytes.data();
    op.length = static_cast<std::uint32_t>(bytes.size());
    op.ends_stream = ends_stream;
  }
  void start(Op& op, Op::Kind kind, Socket socket) {
    assert(op.state == Op::State::idle);
    op.kind = kind;
    op.state = Op::State::queued;
    op.socket = socket;
    op.status = Status::ok;
    op.system_error = 0;
    op.count = 0;
    op.buffer = nullptr;
    op.pipe = Pipe::none;
    op.data_follows = op.has_source = op.ends_stream = op.is_bulk = op.only_now = op.polls = false;
    op.last = false;
    op.cancel_requested = false;
    queued_.push(op);
    ++pending_;
  }
  void run_callbacks();
  void run_posted();
  [[nodiscard]] std::optional<std::chrono::milliseconds> time_to_wait(
      std::optional<std::chrono::milliseconds> longest) const;

  BufferPool buffers_;  // before the backend, which gives buffers back when it goes
  std::unique_ptr<Backend> backend_;
  OpQueue queued_;
  OpQueue done_;
  TimerWheel timers_;
  std::chrono::microseconds now_{};
  std::size_t pending_ = 0;
  std::uint64_t turns_ = 0;
  bool stopping_ = false;

  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
  std::atomic<bool> has_posted_ = false;  // spares a turn without tasks the lock
};

}  // namespace portshare
