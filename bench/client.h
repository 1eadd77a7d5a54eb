// A client's connection: what all loads have in common.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/load.h"
#include "core/byte_view.h"
#include "core/timer_wheel.h"
#include "platform/op.h"

namespace portshare {

/// Connects, sends its first bytes, does what its load wants, closes, and may start again. Made once, so that
/// a connection costs no allocation. Each wait has the time that LoadSettings::timeout gives it, in all.
class Client {
 public:
  explicit Client(LoadContext& context);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  virtual ~Client() = default;

  /// Idle ones only. `start`: when the connection was meant to start, for the statistics.
  void open(nanoseconds start);
  /// Ends without counting anything; closed() comes in a later turn, unless the client is idle.
  void abandon();
  [[nodiscard]] bool is_idle() const { return state_ == State::idle; }

 protected:
  /// The connection is there, the first bytes are not out yet. Sends them. One that sends them itself takes
  /// what comes from then on by received(), ended() and sent(), after skip_greeting().
  virtual void connected();
  void skip_greeting() { state_ = State::open; }
  /// The first bytes are out.
  virtual void opened() = 0;
  /// After receive(): what came, valid during the call, never empty; or the end of the stream.
  virtual void received(ByteView bytes) = 0;
  virtual void ended() = 0;
  /// After send(): all of it is out.
  virtual void sent() {}
  /// It did not work; the connection is ended after this call.
  virtual void failed(ErrorKind kind) = 0;
  /// Idle again.
  virtual void closed() = 0;

  void receive() { context_.loop.receive(op_, socket_); }
  /// `bytes` live until sent().
  void send(ByteView bytes);
  /// In answer to the peer's fault, or when the time is over.
  void fail(ErrorKind kind);
  void close(CloseMode mode);
  /// Gives what comes next its time.
  void restart_timeout() { context_.loop.arm(timeout_, context_.settings.timeout); }
  void stop_timeout() { context_.loop.cancel(timeout_); }

  [[nodiscard]] LoadContext& context() { return context_; }
  [[nodiscard]] Statistics& statistics() { return context_.statistics; }
  [[nodiscard]] nanoseconds start() const { return start_; }
  /// Those of this connection; composed when it connects.
  [[nodiscard]] ByteView first_bytes() const { return first_bytes_; }

 private:
  enum class State : std::uint8_t { idle, connecting, greeting, open, ending, closing };

  void receive_completed();
  void send_completed();
  void connect_completed();
  void close_when_quiet();

  LoadContext& context_;
  State state_ = State::idle;
  CloseMode close_mode_ = CloseMode::orderly;
  Socket socket_ = Socket::none;
  Op op_;  // connect, receive, close
  Op send_op_;
  Timer timeout_;
  ByteView unsent_;
  nanoseconds start_{};
  ByteView first_bytes_;
  std::vector<std::uint8_t> room_;  // for the first bytes
};

}  // namespace portshare
