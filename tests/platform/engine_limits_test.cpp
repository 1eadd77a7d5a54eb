// Where an engine's own bounds could show through the interface: more operations than a ring holds, fewer
// buffers than receives, a queue that is full, a listener that nobody serves.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "platform/address_translation.h"
#include "platform/engine.h"
#include "platform/listening_socket.h"
#include "tests/platform/temporary_folder.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;

// A connected pair: one end for the engine, the other one a plain blocking descriptor.
struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
    ours = Socket{ends[0]};
    peer = ends[1];
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    ::close(std::to_underlying(ours));
    ::close(peer);
  }
  void peer_sends(std::string_view text) const {
    ASSERT_EQ(::write(peer, text.data(), text.size()), std::ssize(text));
  }

  Socket ours = Socket::none;
  int peer = -1;
};

class EngineLimits : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    auto made = make_engine(GetParam());
    if (!made && made.error().may_fall_back) GTEST_SKIP() << made.error().reason;
    ASSERT_TRUE(made) << made.error().reason;
    backend_ = std::move(*made);
  }

  void use_buffers(std::size_t limit) {
    pool_ = std::make_unique<BufferPool>(limit);
    backend_->set_buffers(*pool_);
  }

  void start(Op& op, Op::Kind kind, Socket socket) {
    op.kind = kind;
    op.state = Op::State::queued;
    (kind == Op::Kind::accept ? op.listener : op.socket) = socket;
    op.status = Status::ok;
    op.count = 0;
    op.buffer = nullptr;
    op.cancel_requested = false;
    queued_.push(op);
  }

  void cancel(Op& op) {
    ASSERT_EQ(op.state, Op::State::in_flight);
    op.cancel_requested = true;
    backend_->cancel(op);
  }

  // Turns until so many operations have ended.
  void run_until_done(std::size_t count) {
    while (done_.size() < count) backend_->submit_and_wait(queued_, done_, std::nullopt);
    take_done();
  }

  // Some turns in which nothing may end. Both engines do all that can be done at once without waiting.
  void expect_nothing_ends() {
    for (int i = 0; i < 10; ++i) backend_->submit_and_wait(queued_, done_, milliseconds{0});
    EXPECT_TRUE(done_.empty());
    take_done();
  }

  void take_done() {
    while (Op* op = done_.pop()) op->state = Op::State::idle;
  }

  std::unique_ptr<BufferPool> pool_;
  std::unique_ptr<Backend> backend_;  // gives buffers back, so goes first
  OpQueue queued_;
  OpQueue done_;
};

TEST_P(EngineLimits, MoreReceivesThanARingHasBuffersOrEntries) {
  use_buffers(SIZE_MAX);
  constexpr std::size_t count = 700;
  std::vector<Pair> pairs(count);
  std::vector<Op> ops(count);
  for (std::size_t i = 0; i < count; ++i) start(ops[i], Op::Kind::receive, pairs[i].ours);
  expect_nothing_ends();
  EXPECT_EQ(pool_->outstanding(), 0u) << "a receive that waits holds a buffer";
  for (std::size_t i = 0; i < count; ++i) pairs[i].peer_sends(std::to_string(i));
  run_until_done(count);
  EXPECT_EQ(pool_->outstanding(), count);
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(ops[i].status, Status::ok);
    EXPECT_EQ(as_text(ops[i].received()), std::to_string(i));
    pool_->release(ops[i].take_buffer());
  }
}

TEST_P(EngineLimits, AReceiveWithoutABufferFailsOnlyOnceThereIsSomething) {
  use_buffers(1);
  const Pair pair;
  std::uint8_t* the_only_one = pool_->acquire();
  Op op;
  start(op, Op::Kind::receive, pair.ours);
  expect_nothing_ends();

  pair.peer_sends("hello");
  run_until_done(1);
  EXPECT_EQ(op.status, Status::no_resources);
  EXPECT_EQ(op.buffer, nullptr);

  pool_->release(the_only_one);
  start(op, Op::Kind::receive, pair.ours);
  run_until_done(1);
  ASSERT_EQ(op.status, Status::ok);
  EXPECT_EQ(as_text(op.received()), "hello") << "the bytes had to stay in the socket";
  pool_->release(op.take_buffer());
}

TEST_P(EngineLimits, TheEndOfTheStreamTakesNoBuffer) {
  use_buffers(1);
  std::uint8_t* the_only_one = pool_->acquire();
  const Pair pair;
  ::shutdown(pair.peer, SHUT_WR);
  Op op;
  for (int i = 0; i < 3; ++i) {
    start(op, Op::Kind::receive, pair.ours);
    run_until_done(1);
    EXPECT_EQ(op.status, Status::ok);
    EXPECT_EQ(op.count, 0u);
  }
  pool_->release(the_only_one);
}

TEST_P(EngineLimits, BuffersTakenByOthersLimitTheReceives) {
  use_buffers(3);
  const Pair pair;
  Op op;
  pair.peer_sends("one");
  start(op, Op::Kind::receive, pair.ours);
  run_until_done(1);
  ASSERT_EQ(op.status, Status::ok);
  std::vector<std::uint8_t*> held{op.take_buffer(), pool_->acquire(), pool_->acquire()};
  ASSERT_NE(held.back(), nullptr) << "the engine's stock stood in the way";

  pair.peer_sends("two");
  start(op, Op::Kind::receive, pair.ours);
  run_until_done(1);
  EXPECT_EQ(op.status, Status::no_resources);
  for (std::uint8_t* buffer : held) pool_->release(buffer);

  start(op, Op::Kind::receive, pair.ours);
  run_until_done(1);
  EXPECT_EQ(as_text(op.received()), "two");
  pool_->release(op.take_buffer());
}

TEST_P(EngineLimits, ACancelledReceiveLosesNoBytes) {
  use_buffers(SIZE_MAX);
  const Pair pair;
  Op op;
  for (int i = 0; i < 100; ++i) {
    start(op, Op::Kind::receive, pair.ours);
    expect_nothing_ends();
    pair.peer_sends("bytes");
    cancel(op);
    run_until_done(1);
    if (op.status == Status::cancelled) {
      EXPECT_EQ(op.buffer, nullptr);
      start(op, Op::Kind::receive, pair.ours);
      run_until_done(1);
    }
    ASSERT_EQ(op.status, Status::ok);
    EXPECT_EQ(as_text(op.received()), "bytes");
    pool_->release(op.take_buffer());
  }
}

TEST_P(EngineLimits, AUnixConnectWaitsForRoomInTheQueue) {
  use_buffers(SIZE_MAX);
  const TemporaryFolder folder;
  const SocketAddress address{std::nullopt, folder.file("full.sock")};
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_GE(listener, 0);
  sockaddr_storage storage{};
  const socklen_t length = to_system_address(address, storage);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&storage), length), 0);
  ASSERT_EQ(::listen(listener, 0), 0);

  // A queue of length 0 takes one connection.
  std::array<Op, 3> ops;
  for (Op& op : ops) {
    start(op, Op::Kind::connect, Socket::none);
    op.address = &address;
  }
  run_until_done(1);
  ASSERT_TRUE(ops[0].is_idle());
  ASSERT_EQ(ops[0].status, Status::ok);
  ASSERT_EQ(ops[1].state, Op::State::in_flight);

  const int accepted = ::accept(listener, nullptr, nullptr);
  ASSERT_GE(accepted, 0);
  run_until_done(1);
  EXPECT_EQ(ops[1].status, Status::ok);
  cancel(ops[2]);
  run_until_done(1);
  EXPECT_EQ(ops[2].status, Status::cancelled);
  EXPECT_EQ(ops[2].socket, Socket::none);

  for (const Op& op : {std::cref(ops[0]), std::cref(ops[1])}) ::close(std::to_underlying(op.socket));
  ::close(accepted);
  ::close(listener);
}

TEST_P(EngineLimits, APausedListenerKeepsItsConnections) {
  use_buffers(SIZE_MAX);
  const auto listener = open_listening_socket({IpEndpoint::parse("127.0.0.1:0"), ""});
  ASSERT_TRUE(listener) << listener.error().message;
  const SocketAddress address = address_of_listening_socket(*listener);
  std::vector<Op> connects(5);
  Op accept;
  start(accept, Op::Kind::accept, *listener);
  for (Op& op : connects) {
    start(op, Op::Kind::connect, Socket::none);
    op.address = &address;
  }
  run_until_done(connects.size() + 1);
  std::vector<Socket> sockets{accept.socket};

  expect_nothing_ends();
  for (std::size_t i = 1; i < connects.size(); ++i) {
    start(accept, Op::Kind::accept, *listener);
    run_until_done(1);
    ASSERT_EQ(accept.status, Status::ok);
    sockets.push_back(accept.socket);
  }
  start(accept, Op::Kind::accept, *listener);
  expect_nothing_ends();
  cancel(accept);
  run_until_done(1);
  EXPECT_EQ(accept.status, Status::cancelled);

  for (const Op& op : connects) sockets.push_back(op.socket);
  std::vector<Op> closes(sockets.size());
  for (std::size_t i = 0; i < sockets.size(); ++i) start(closes[i], Op::Kind::close, sockets[i]);
  run_until_done(closes.size());
  close_listening_socket(*listener);
}

TEST_P(EngineLimits, AListenerMayTakeTheNumberOfAnEarlierOne) {
  use_buffers(SIZE_MAX);
  for (const bool by_cancelling : {false, true, false}) {
    const auto listener = open_listening_socket({IpEndpoint::parse("127.0.0.1:0"), ""});
    ASSERT_TRUE(listener) << listener.error().message;
    const SocketAddress address = address_of_listening_socket(*listener);
    Op accept;
    Op connect;
    start(accept, Op::Kind::accept, *listener);
    if (by_cancelling) {
      expect_nothing_ends();
      cancel(accept);
      run_until_done(1);
    } else {
      start(connect, Op::Kind::connect, Socket::none);
      connect.address = &address;
      run_until_done(2);
      std::array<Op, 2> closes;
      start(closes[0], Op::Kind::close, accept.socket);
      start(closes[1], Op::Kind::close, connect.socket);
      run_until_done(2);
    }
    close_listening_socket(*listener);
  }
}

TEST_P(EngineLimits, WakingBeforeTheWaitEndsIt) {
  use_buffers(SIZE_MAX);
  for (int i = 0; i < 3; ++i) {
    backend_->wake();
    backend_->submit_and_wait(queued_, done_, std::nullopt);  // would last for ever
  }
  EXPECT_TRUE(done_.empty());
}

INSTANTIATE_TEST_SUITE_P(Engines, EngineLimits, testing::Values(Engine::io_uring, Engine::epoll),
                         [](const auto& engine) { return std::string(to_string(engine.param)); });

}  // namespace
}  // namespace portshare
