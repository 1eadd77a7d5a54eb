// Bulk: bytes that come in a pipe or a buffer, as it suits the engine, and go on from there.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <utility>

#include "tests/backend_conformance/conformance_test.h"
#include "tests/backend_conformance/pattern_stream.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;

/// What a bulk receive has brought, and where it is.
struct Piece {
  Status status = Status::ok;
  std::uint32_t count = 0;
  Pipe pipe = Pipe::none;
  std::string bytes = {};  ///< of a buffer, which is given back
};

/// One bulk receive.
class BulkReceive {
 public:
  explicit BulkReceive(Loop& loop)
      : loop_(loop), op([](Op&, void* self) { static_cast<BulkReceive*>(self)->take(); }, this) {}
  void start(Socket socket, std::uint32_t most) { loop_.receive_bulk(op, socket, most); }
  /// After the callback.
  [[nodiscard]] Piece piece() { return std::move(piece_); }

 private:
  void take() {
    piece_ = {.status = op.status, .count = op.count, .pipe = op.take_pipe()};
    std::uint8_t* buffer = op.take_buffer();
    EXPECT_TRUE(piece_.pipe == Pipe::none || !buffer) << "either a pipe or a buffer";
    EXPECT_EQ(piece_.count > 0, piece_.pipe != Pipe::none || buffer) << "no bytes in nothing";
    if (!buffer) return;
    piece_.bytes = as_text(ByteView(buffer, piece_.count));
    loop_.buffers().release(buffer);
  }

  Loop& loop_;
  Piece piece_;

 public:
  Op op;
};

/// Carries a stream from one socket to another as a relay does, to its end, and then passes that on.
class BulkMover {
 public:
  BulkMover(Loop& loop, Socket source, Socket sink, std::uint32_t most = UINT32_MAX)
      : loop_(loop),
        source_(source),
        sink_(sink),
        most_(most),
        receive_([](Op&, void* self) { static_cast<BulkMover*>(self)->received(); }, this),
        send_([](Op&, void* self) { static_cast<BulkMover*>(self)->sent(); }, this) {}
  BulkMover(const BulkMover&) = delete;
  BulkMover& operator=(const BulkMover&) = delete;
  ~BulkMover() { give_back(); }

  void start() { loop_.receive_bulk(receive_, source_, most_); }
  /// Ends it wherever it is.
  void cancel() {
    stopping_ = true;
    loop_.cancel(receive_);
    loop_.cancel(send_);
  }
  [[nodiscard]] bool is_idle() const { return receive_.is_idle() && send_.is_idle(); }
  /// The end has been passed on.
  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] bool waits_for_sink() const { return !send_.is_idle(); }
  [[nodiscard]] std::size_t moved() const { return moved_; }
  [[nodiscard]] Status status() const { return status_; }

 private:
  void received() {
    status_ = receive_.status;
    ASSERT_LE(receive_.count, most_);
    pipe_ = receive_.take_pipe();
    buffer_ = receive_.take_buffer();
    left_ = receive_.count;
    offset_ = 0;
    if (!receive_.succeeded() || stopping_) return;
    if (left_ == 0)
      loop_.shutdown(send_, sink_);
    else
      send_rest();
  }
  void send_rest() {
    if (pipe_ != Pipe::none)
      loop_.send_from(send_, sink_, pipe_, left_);
    else
      loop_.send(send_, sink_, ByteView(buffer_, offset_ + left_).subspan(offset_));
  }
  void sent() {
    status_ = send_.status;
    if (!send_.succeeded()) return;
    if (send_.kind == Op::Kind::shutdown) {
      done_ = true;
      return;
    }
    ASSERT_GE(send_.count, 1U);
    ASSERT_LE(send_.count, left_);
    moved_ += send_.count;
    left_ -= send_.count;
    offset_ += send_.count;
    if (stopping_) return;
    if (left_ > 0) return send_rest();
    give_back();
    start();
  }
  void give_back() {
    if (pipe_ != Pipe::none) loop_.backend().release_pipe(std::exchange(pipe_, Pipe::none), left_ == 0);
    if (buffer_) loop_.buffers().release(std::exchange(buffer_, nullptr));
  }

  Loop& loop_;
  const Socket source_;
  const Socket sink_;
  const std::uint32_t most_;
  Pipe pipe_ = Pipe::none;
  std::uint8_t* buffer_ = nullptr;
  std::size_t offset_ = 0;
  std::uint32_t left_ = 0;
  std::size_t moved_ = 0;
  Status status_ = Status::ok;
  bool stopping_ = false;
  bool done_ = false;
  Op receive_;
  Op send_;
};

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): nobody deletes one but GoogleTest
class BulkTest : public ConformanceTest {
 protected:
  // As the program does.
  BulkTest() : handler_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~BulkTest() override { (void)std::signal(SIGPIPE, handler_); }

  Piece receive_bulk(Socket socket, std::uint32_t most) {
    BulkReceive receive(loop());
    receive.start(socket, most);
    turn_until([&] { return receive.op.is_idle(); });
    return receive.piece();
  }
  Status send_from(Socket socket, Pipe pipe, std::uint32_t& left) {
    RecordedOp op(loop());
    while (left > 0) {
      loop().send_from(op.op, socket, pipe, left);
      finish(op);
      if (!op.op.succeeded()) return op.op.status;
      EXPECT_GE(op.op.count, 1U);
      EXPECT_LE(op.op.count, left);
      left -= op.op.count;
    }
    return Status::ok;
  }
  /// The bytes of a piece, which a pipe gives only to a socket.
  std::string content_of(Piece piece, const Connection& outlet) {
    if (piece.pipe == Pipe::none) return std::move(piece.bytes);
    std::uint32_t left = piece.count;
    EXPECT_EQ(send_from(outlet.client, piece.pipe, left), Status::ok);
    loop().backend().release_pipe(piece.pipe, true);
    return receive_some(outlet.server, piece.count);
  }
  void throw_away(const Piece& piece) {
    if (piece.pipe != Pipe::none) loop().backend().release_pipe(piece.pipe, false);
  }
  /// Listeners of every kind.
  std::vector<Socket> listeners() { return {listen(any_ipv4_port), listen(stage().unix_address())}; }

 private:
  void (*handler_)(int);
};

INSTANTIATE_TEST_SUITE_P(Engines, BulkTest, each_engine(), name_of_engine);

/// Fills all buffers between two ends, which takes the networks of some seeds hours.
class FullSinkTest : public BulkTest {
 protected:
  [[nodiscard]] std::size_t more_than_fits() { return 2 * stage().bulk_size(); }
};

std::vector<EngineCase> steady_engines() {
  std::vector<EngineCase> engines = all_engines();
  std::erase_if(engines, [](const EngineCase& engine) { return engine.name.contains("seed"); });
  return engines;
}
INSTANTIATE_TEST_SUITE_P(Engines, FullSinkTest, testing::ValuesIn(steady_engines()), name_of_engine);

TEST_P(BulkTest, ManyBytesArriveInOrderInBothDirections) {
  const std::size_t size = stage().bulk_size() / 8;
  const std::vector<Socket> kinds = listeners();
  for (const Socket source : kinds) {
    for (const Socket sink : kinds) {
      const Connection left = connect_to(source);
      const Connection right = connect_to(sink);
      PatternSender up(loop(), left.client, size);
      PatternSender down(loop(), right.server, size / 2);
      PatternReader up_reader(loop(), right.server);
      PatternReader down_reader(loop(), left.client);
      BulkMover up_mover(loop(), left.server, right.client);
      BulkMover down_mover(loop(), right.client, left.server, 100'003);
      up.start();
      down.start();
      up_reader.start();
      down_reader.start();
      up_mover.start();
      down_mover.start();
      turn_until([&] {
        return up_mover.done() && down_mover.done() && up_reader.done() && down_reader.done() && up.done() &&
               down.done();
      });
      EXPECT_EQ(up_reader.received(), size);
      EXPECT_EQ(up_mover.moved(), size);
      EXPECT_EQ(down_reader.received(), size / 2);
      EXPECT_EQ(down_mover.moved(), size / 2);
      for (const Socket socket : {left.client, left.server, right.client, right.server}) close(socket);
    }
  }
}

TEST_P(FullSinkTest, AReaderThatIsLateHoldsTheSenderBack) {
  const Connection left = connect_over_ipv4();
  const Connection right = connect_over_ipv4();
  PatternSender sender(loop(), left.client, more_than_fits());
  PatternReader reader(loop(), right.server);
  BulkMover mover(loop(), left.server, right.client);
  sender.start();
  mover.start();
  turn_until_stalled(sender.op);
  EXPECT_LT(sender.sent(), more_than_fits());
  EXPECT_TRUE(mover.waits_for_sink());
  reader.start();
  turn_until([&] { return sender.done() && mover.done() && reader.done(); });
  EXPECT_EQ(reader.received(), more_than_fits());
}

TEST_P(BulkTest, NeverBringsMoreThanTheLimit) {
  const Connection outlet = connect_over_ipv4();
  for (const Socket listener : listeners()) {
    const Connection connection = connect_to(listener);
    constexpr std::size_t size = 5'000;
    PatternSender sender(loop(), connection.client, size);
    sender.start();
    std::string received;
    for (const std::uint32_t most : {1U, 2U, 7U, 100U, 511U, 900U, 1U, 300U}) {
      Piece piece = receive_bulk(connection.server, most);
      ASSERT_EQ(piece.status, Status::ok);
      ASSERT_GE(piece.count, 1U);
      ASSERT_LE(piece.count, most);
      received += content_of(std::move(piece), outlet);
    }
    received += receive_all(connection.server);
    EXPECT_TRUE(received == pattern(0, size)) << "what stands behind the limit is for the next receive";
    turn_until([&] { return sender.done(); });
    for (const Socket socket : {connection.client, connection.server}) close(socket);
  }
}

TEST_P(BulkTest, TheEndOfTheStreamStays) {
  for (const Socket listener : listeners()) {
    const Connection connection = connect_to(listener);
    BulkReceive waiting(loop());
    waiting.start(connection.server, 1'000);
    loop().run_once(milliseconds{0});
    EXPECT_EQ(shut_down(connection.client), Status::ok);
    turn_until([&] { return waiting.op.is_idle(); });
    EXPECT_EQ(waiting.piece().status, Status::ok);
    for (int i = 0; i < 3; ++i) {
      const Piece piece = receive_bulk(connection.server, 1'000);
      EXPECT_EQ(piece.status, Status::ok);
      EXPECT_EQ(piece.count, 0U);
      EXPECT_EQ(piece.pipe, Pipe::none);
    }
    EXPECT_EQ(receive_all(connection.server), "");
  }
}

TEST_P(BulkTest, AResetIsNoEndOfTheStream) {
  for (const bool waits : {true, false}) {
    const Connection connection = connect_over_ipv4();
    BulkReceive receive(loop());
    if (waits) {
      receive.start(connection.server, 1'000);
      loop().run_once(milliseconds{0});
    }
    close(connection.client, CloseMode::reset);
    if (!waits) receive.start(connection.server, 1'000);
    turn_until([&] { return receive.op.is_idle(); });
    const Piece piece = receive.piece();
    EXPECT_EQ(piece.status, Status::reset);
    EXPECT_EQ(piece.count, 0U);
    EXPECT_EQ(piece.pipe, Pipe::none);
  }
}

TEST_P(BulkTest, BytesInAPipeOutliveTheResetOfTheirSource) {
  const Connection outlet = connect_over_ipv4();
  const Connection connection = connect_over_ipv4();
  const std::string sent = pattern(3, 500);
  EXPECT_EQ(send_all(connection.client, sent), Status::ok);
  Piece piece = receive_bulk(connection.server, 500);
  ASSERT_GE(piece.count, 1U);
  close(connection.client, CloseMode::reset);
  close(connection.server, CloseMode::reset);
  const std::size_t count = piece.count;
  EXPECT_EQ(content_of(std::move(piece), outlet), sent.substr(0, count));
}

TEST_P(FullSinkTest, AResetOfTheSinkEndsASendThatWaits) {
  for (const Socket listener : listeners()) {
    const Connection left = connect_over_ipv4();
    const Connection right = connect_to(listener);
    PatternSender sender(loop(), left.client, more_than_fits());
    BulkMover mover(loop(), left.server, right.client);
    sender.start();
    mover.start();
    turn_until_stalled(sender.op);
    ASSERT_TRUE(mover.waits_for_sink());
    close(right.server, CloseMode::reset);
    turn_until([&] { return mover.is_idle(); });
    EXPECT_EQ(mover.status(), Status::reset);
    loop().cancel(sender.op.op);
    // The sender expects to end well, which is not what this test is about.
    sender.op.then = nullptr;
    finish(sender.op);
    for (const Socket socket : {left.client, left.server, right.client}) close(socket, CloseMode::reset);
  }
}

TEST_P(BulkTest, ACancelledReceiveLosesNoBytes) {
  const Connection outlet = connect_over_ipv4();
  const Connection connection = connect_over_ipv4();
  std::size_t received = 0;
  for (int round = 0; round < 30; ++round) {
    BulkReceive receive(loop());
    receive.start(connection.server, 1'000);
    for (int turn = 0; turn < round % 3; ++turn) loop().run_once(milliseconds{0});
    // Sometimes the bytes are there before the cancellation, sometimes they come with it, or behind it.
    RecordedOp send(loop());
    const std::string bytes = pattern(received, 10);
    if (round % 2 == 0) loop().send(send.op, connection.client, as_bytes(bytes));
    loop().cancel(receive.op);
    if (round % 2 != 0) loop().send(send.op, connection.client, as_bytes(bytes));
    turn_until([&] { return receive.op.is_idle() && send.op.is_idle(); });
    ASSERT_EQ(send.op.status, Status::ok);
    ASSERT_EQ(send_all(connection.client, std::string_view(bytes).substr(send.op.count)), Status::ok);
    Piece piece = receive.piece();
    std::string got;
    if (piece.status == Status::cancelled) {
      EXPECT_EQ(piece.pipe, Pipe::none);
    } else {
      ASSERT_EQ(piece.status, Status::ok);
      got = content_of(std::move(piece), outlet);
    }
    if (got.size() < bytes.size()) got += receive_some(connection.server, bytes.size() - got.size());
    ASSERT_EQ(got, bytes) << "round " << round;
    received += bytes.size();
  }
}

TEST_P(FullSinkTest, ACancelledSendHasSentWhatItSays) {
  const Connection left = connect_over_ipv4();
  const Connection right = connect_over_ipv4();
  PatternSender sender(loop(), left.client, more_than_fits());
  BulkMover mover(loop(), left.server, right.client);
  PatternReader reader(loop(), right.server);
  sender.start();
  mover.start();
  turn_until_stalled(sender.op);
  ASSERT_TRUE(mover.waits_for_sink());
  mover.cancel();
  turn_until([&] { return mover.is_idle(); });
  EXPECT_TRUE(mover.status() == Status::cancelled || mover.status() == Status::ok);
  loop().cancel(sender.op.op);
  sender.op.then = nullptr;
  finish(sender.op);
  // Not a byte more or less than was reported.
  reader.start();
  EXPECT_EQ(shut_down(right.client), Status::ok);
  turn_until([&] { return reader.done(); });
  EXPECT_EQ(reader.received(), mover.moved());
}

TEST_P(BulkTest, WhatIsLeftInAPipeNeverComesBack) {
  const Connection outlet = connect_over_ipv4();
  const Connection connection = connect_over_ipv4();
  const std::string old_bytes(700, 'o');
  const std::string new_bytes(900, 'n');
  for (int round = 0; round < 50; ++round) {
    EXPECT_EQ(send_all(connection.client, old_bytes), Status::ok);
    for (std::size_t thrown_away = 0; thrown_away < old_bytes.size();) {
      const Piece piece = receive_bulk(connection.server, 700);
      ASSERT_EQ(piece.status, Status::ok);
      thrown_away += piece.count;
      // Sometimes a part has been sent before.
      if (round % 2 == 0 && piece.pipe != Pipe::none && piece.count > 1) {
        std::uint32_t part = piece.count / 2;
        EXPECT_EQ(send_from(outlet.client, piece.pipe, part), Status::ok);
        EXPECT_EQ(receive_some(outlet.server, piece.count / 2), std::string(piece.count / 2, 'o'));
      }
      throw_away(piece);
    }
    EXPECT_EQ(send_all(connection.client, new_bytes), Status::ok);
    std::string received;
    while (received.size() < new_bytes.size()) {
      Piece piece = receive_bulk(connection.server, 5'000);
      ASSERT_EQ(piece.status, Status::ok);
      received += content_of(std::move(piece), outlet);
    }
    ASSERT_EQ(received, new_bytes) << "round " << round;
  }
}

TEST_P(BulkTest, BeyondThePipesThereAreBuffers) {
  constexpr std::size_t count = PipePool::most_pipes + 8;
  const Connection outlet = connect_over_ipv4();
  const auto connections = connect_many(listen(any_ipv4_port), count);
  std::vector<Piece> pieces;
  // One more time, to see that none has been lost.
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(send_all(connections[i].client, pattern(i, 8)), Status::ok);
      pieces.push_back(receive_bulk(connections[i].server, 8));
      ASSERT_EQ(pieces.back().status, Status::ok);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t length = pieces[i].count;
      ASSERT_GE(length, 1U);
      std::string bytes = content_of(std::move(pieces[i]), outlet);
      ASSERT_EQ(bytes.size(), length);
      if (length < 8) bytes += receive_some(connections[i].server, 8 - length);
      EXPECT_EQ(bytes, pattern(i, 8));
    }
    pieces.clear();
  }
}

TEST_P(BulkTest, WithoutDescriptorsThereAreBuffers) {
  const Connection outlet = connect_over_ipv4();
  const Connection connection = connect_over_ipv4();
  const std::string sent = pattern(0, 900);
  stage().forbid_descriptors();
  std::string received;
  EXPECT_EQ(send_all(connection.client, sent), Status::ok);
  while (received.size() < sent.size()) {
    Piece piece = receive_bulk(connection.server, 300);
    ASSERT_EQ(piece.status, Status::ok);
    ASSERT_LE(piece.count, 300U);
    received += content_of(std::move(piece), outlet);
    if (received.size() > sent.size() / 2) stage().allow_descriptors();
  }
  stage().allow_descriptors();
  EXPECT_TRUE(received == sent);
}

TEST_P(BulkTest, WithNeitherPipeNorBufferItFailsOnlyOnceThereIsSomething) {
  start(1);
  if (IsSkipped()) return;
  const Connection outlet = connect_over_ipv4();
  const Connection connection = connect_over_ipv4();
  std::uint8_t* taken = loop().buffers().acquire();
  ASSERT_NE(taken, nullptr);
  stage().forbid_descriptors();
  BulkReceive receive(loop());
  receive.start(connection.server, 100);
  for (int i = 0; i < 5; ++i) loop().run_once(milliseconds{1});
  EXPECT_FALSE(receive.op.is_idle());
  EXPECT_EQ(send_all(connection.client, "x"), Status::ok);
  turn_until([&] { return receive.op.is_idle(); });
  stage().allow_descriptors();
  Piece piece = receive.piece();
  loop().buffers().release(taken);
  if (piece.status == Status::no_resources) piece = receive_bulk(connection.server, 100);
  ASSERT_EQ(piece.status, Status::ok) << "a simulated pipe needs no descriptor";
  EXPECT_EQ(content_of(std::move(piece), outlet), "x") << "the bytes are still there";
}

}  // namespace
}  // namespace portshare
