// The two ends of a stream of which every byte is known.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "platform/loop.h"
#include "tests/backend_conformance/conformance_test.h"
#include "tests/recorded_op.h"

namespace portshare {

/// Sends `total` bytes of the pattern, a piece at a time, then the end of the stream.
class PatternSender {
 public:
  PatternSender(Loop& loop, Socket socket, std::size_t total)
      : socket_(socket), total_(total), op(loop, [this] { proceed(); }) {}
  void start() { send_next(); }
  [[nodiscard]] std::size_t sent() const { return sent_; }
  [[nodiscard]] bool done() const { return done_; }

 private:
  static constexpr std::size_t piece_size = std::size_t{256} * 1024;

  void proceed() {
    ASSERT_EQ(op.op.status, Status::ok);
    if (op.op.kind == Op::Kind::shutdown) {
      done_ = true;
      return;
    }
    ASSERT_GE(op.op.count, 1U);
    sent_ += op.op.count;
    piece_.erase(0, op.op.count);
    send_next();
  }
  void send_next() {
    if (sent_ == total_) return op.loop.shutdown(op.op, socket_);
    if (piece_.empty()) piece_ = pattern(sent_, std::min(piece_size, total_ - sent_));
    op.loop.send(op.op, socket_, as_bytes(piece_));
  }

  const Socket socket_;
  const std::size_t total_;
  std::size_t sent_ = 0;
  std::string piece_;
  bool done_ = false;

 public:
  RecordedOp op;
};

/// Receives to the end of the stream and compares with the pattern.
class PatternReader {
 public:
  PatternReader(Loop& loop, Socket socket) : socket_(socket), op_(loop, [this] { proceed(); }) {}
  void start() { op_.loop.receive(op_.op, socket_); }
  [[nodiscard]] std::size_t received() const { return received_; }
  [[nodiscard]] bool done() const { return done_; }

 private:
  void proceed() {
    ASSERT_EQ(op_.op.status, Status::ok);
    if (op_.op.count == 0) {
      done_ = true;
      return;
    }
    ASSERT_EQ(op_.received, pattern(received_, op_.received.size())) << "after " << received_ << " bytes";
    received_ += op_.received.size();
    op_.received.clear();
    start();
  }

  const Socket socket_;
  std::size_t received_ = 0;
  bool done_ = false;
  RecordedOp op_;
};

}  // namespace portshare
