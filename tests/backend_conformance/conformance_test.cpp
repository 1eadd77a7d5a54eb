#include "tests/backend_conformance/conformance_test.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "core/random.h"

namespace portshare {

using std::chrono::milliseconds;
using std::chrono::seconds;

void ConformanceTest::start(std::size_t buffer_limit) {
  TearDown();
  stage_ = GetParam().make_stage();
  auto backend = stage_->make_backend();
  if (!backend) GTEST_SKIP() << backend.error();
  loop_ = std::make_unique<Loop>(std::move(*backend), buffer_limit);
}

void ConformanceTest::TearDown() {
  if (!loop_) return;
  while (!sockets_.empty()) close(sockets_.back());
  while (!listeners_.empty()) close_listener(listeners_.back());
  EXPECT_EQ(loop_->pending(), 0U);
  EXPECT_EQ(loop_->buffers().outstanding(), 0U);
  loop_.reset();
  stage_.reset();
}

void ConformanceTest::turn_until(const std::function<bool()>& done) {
  constexpr int most_turns = 10'000'000;
  constexpr seconds stuck{120};  // in virtual time no time at all, and longer than any retry takes
  constexpr milliseconds longest_turn{1000};
  auto last_change = loop().now();
  std::size_t pending = loop().pending();
  for (int turn = 0; !done(); ++turn) {
    if (turn == most_turns || loop().now() - last_change > stuck) {
      // There is no way back to the test: ops that are pending lie in its frames.
      ADD_FAILURE() << "the loop is stuck or spins";
      std::abort();
    }
    loop().run_once(longest_turn);
    if (std::exchange(pending, loop().pending()) != pending) last_change = loop().now();
  }
}

void ConformanceTest::turn_until_stalled(const RecordedOp& op) {
  // Whoever thinks too early that the op is stalled only tests less.
  std::size_t before = 0;
  do {
    before = op.callbacks;
    for (int turn = 0; turn < 10; ++turn) loop().run_once(milliseconds{20});
  } while (op.callbacks != before);
}

Socket ConformanceTest::listen(const SocketAddress& address) {
  const auto listener = stage().listen(address);
  if (!listener) throw std::runtime_error("no such address family here: " + address.to_string());
  listeners_.push_back(*listener);
  return *listener;
}

Socket ConformanceTest::listen_with_short_queue(const SocketAddress& address) {
  listeners_.push_back(stage().listen_with_short_queue(address));
  return listeners_.back();
}

void ConformanceTest::close_listener(Socket listener) {
  std::erase(listeners_, listener);
  stage().close_listener(listener);
}

Socket ConformanceTest::keep(Socket socket) {
  if (socket != Socket::none) sockets_.push_back(socket);
  return socket;
}

std::vector<ConformanceTest::Connection> ConformanceTest::connect_many(Socket listener, std::size_t count) {
  const SocketAddress address = stage().address_of(listener);
  std::vector<Connection> connections;
  std::vector<std::unique_ptr<RecordedOp>> connects;
  std::vector<std::unique_ptr<RecordedOp>> accepts;
  for (std::size_t i = 0; i < count; ++i) {
    connects.push_back(std::make_unique<RecordedOp>(loop()));
    loop().connect(connects.back()->op, address);
    accepts.push_back(std::make_unique<RecordedOp>(loop()));
    loop().accept(accepts.back()->op, listener);
  }
  for (std::size_t i = 0; i < count; ++i) {
    finish(*connects[i]);
    finish(*accepts[i]);
    EXPECT_EQ(connects[i]->op.status, Status::ok);
    EXPECT_EQ(accepts[i]->op.status, Status::ok);
    keep(connects[i]->op.socket);
    keep(accepts[i]->op.socket);
  }
  connections.reserve(count);
  // Which accept took which connection is nobody's promise.
  Backend& backend = loop().backend();
  std::ranges::sort(connects, {}, [&](const auto& op) { return backend.local_endpoint(op->op.socket); });
  std::ranges::sort(accepts, {}, [&](const auto& op) { return backend.peer_endpoint(op->op.socket); });
  for (std::size_t i = 0; i < count; ++i)
    connections.push_back({.client = connects[i]->op.socket, .server = accepts[i]->op.socket});
  return connections;
}

ConformanceTest::Connection ConformanceTest::connect_to(Socket listener) {
  return connect_many(listener, 1).front();
}

Status ConformanceTest::send_all(Socket socket, std::string_view bytes) {
  RecordedOp op(loop());
  while (!bytes.empty()) {
    loop().send(op.op, socket, as_bytes(bytes));
    finish(op);
    if (!op.op.succeeded()) return op.op.status;
    EXPECT_GE(op.op.count, 1U);
    EXPECT_LE(op.op.count, bytes.size());
    bytes.remove_prefix(op.op.count);
  }
  return Status::ok;
}

std::string ConformanceTest::receive_some(Socket socket, std::size_t count) {
  RecordedOp op(loop());
  do {
    loop().receive(op.op, socket);
    finish(op);
    EXPECT_EQ(op.op.status, Status::ok);
  } while (op.op.succeeded() && op.op.count > 0 && op.received.size() < count);
  return op.received;
}

Status ConformanceTest::receive_status(Socket socket) {
  RecordedOp op(loop());
  loop().receive(op.op, socket);
  finish(op);
  return op.op.status;
}

Status ConformanceTest::shut_down(Socket socket) {
  RecordedOp op(loop());
  loop().shutdown(op.op, socket);
  finish(op);
  return op.op.status;
}

void ConformanceTest::close(Socket socket, CloseMode mode) {
  forget(socket);
  RecordedOp op(loop());
  loop().close(op.op, socket, mode);
  finish(op);
  EXPECT_EQ(op.op.status, Status::ok);
  EXPECT_EQ(op.callbacks, 1U);
}

std::string pattern(std::size_t position, std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t i = 0; i < count; ++i)
    bytes[i] = static_cast<char>(mix_bits((position + i) / 8) >> ((position + i) % 8 * 8) & 0xff);
  return bytes;
}

}  // namespace portshare
