// Carries bytes from one socket to another, in one direction.
#pragma once

#include <cstdint>

#include "core/byte_view.h"
#include "platform/loop.h"

namespace portshare {

/// One direction of a relayed connection. It receives, sends all of that, and only then receives again, so a
/// peer which does not read stops the other one from sending, and nothing is buffered beyond one buffer. An
/// end of the stream is passed on once everything before it has been sent.
///
/// The ops belong to the session, which calls received() and sent() from their callbacks.
class RelayDirection {
 public:
  enum class Progress : std::uint8_t {
    running,
    ended,          ///< the end of the stream was passed on
    source_failed,  ///< the socket that is read
    sink_failed,    ///< the socket that is written
  };

  /// `receive` works on the source, `send` on the sink.
  RelayDirection(Op& receive, Op& send) : receive_(receive), send_(send) {}

  /// Starts with what the source is going to send.
  void start(Loop& loop, Socket source, Socket sink);
  /// Starts with bytes that were received before. They live in `buffer`, a buffer of the loop's pool that now
  /// belongs to this object, or if that is null somewhere else until has_unsent() is false.
  void start_with(Loop& loop, Socket source, Socket sink, ByteView bytes, std::uint8_t* buffer);

  Progress received(Loop& loop);
  Progress sent(Loop& loop);

  [[nodiscard]] bool has_unsent() const { return !unsent_.empty(); }
  [[nodiscard]] bool has_ended() const { return ended_; }

  /// Gives the buffer back. Both ops are idle.
  void release(Loop& loop);

 private:
  Op& receive_;
  Op& send_;
  Socket source_ = Socket::none;
  Socket sink_ = Socket::none;
  std::uint8_t* buffer_ = nullptr;
  ByteView unsent_;
  bool ended_ = false;
};

}  // namespace portshare
