// Two workers on one listening socket, of which one does nothing for a while.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "dispatch/accept_balance.h"
#include "dispatch/acceptor.h"
#include "dispatch/config.h"
#include "dispatch/config_reader.h"
#include "dispatch/server_pool.h"
#include "dispatch/worker.h"
#include "platform/engine.h"
#include "platform/listening_socket.h"
#include "platform/loop.h"
#include "tests/recorded_op.h"

namespace portshare {
namespace {

/// On a thread of its own, as long as it lives.
class RunningWorker {
 public:
  RunningWorker(Engine engine, std::shared_ptr<const Snapshot> snapshot, AcceptCounts& counts,
                std::uint32_t index)
      : thread_([=, this, &counts] {
          Loop loop(*make_engine(engine));  // belongs to the thread that makes it
          WorkerOptions options;
          options.index = index;
          options.accept_counts = &counts;
          Worker worker(loop, snapshot, std::move(options));
          worker.start();
          loop_ = &loop;
          worker_ = &worker;
          started_.count_down();
          loop.run();
        }) {
    started_.wait();
  }
  RunningWorker(const RunningWorker&) = delete;
  RunningWorker& operator=(const RunningWorker&) = delete;
  ~RunningWorker() {
    loop_->post([this] { worker_->drain([] {}, [this] { loop_->stop(); }); });
    thread_.join();
  }
  Loop& loop() { return *loop_; }

 private:
  Loop* loop_ = nullptr;
  Worker* worker_ = nullptr;
  std::latch started_{1};
  std::thread thread_;
};

/// A connection whose request nobody wants, which is answered nevertheless.
class Client {
 public:
  Client(Loop& loop, const SocketAddress& address)
      : loop_(loop), address_(address), op_(loop, [this] { proceed(); }) {
    loop_.connect(op_.op, address_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Its connection is closed when it has one.
  [[nodiscard]] bool is_answered() const { return op_.received.starts_with("HTTP/1.1 "); }
  /// Ends it, answered or not.
  void close() {
    is_closing_ = true;
    loop_.cancel(op_.op);
  }
  [[nodiscard]] bool is_done() const { return op_.op.is_idle(); }

 private:
  static constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: nowhere.example\r\n\r\n";

  void proceed() {
    Op& op = op_.op;
    if (op.kind == Op::Kind::close) return;
    if (op.kind == Op::Kind::connect) socket_ = op.socket;
    if (socket_ == Socket::none) return;
    if (!op.succeeded() || is_closing_ || is_answered()) return loop_.close(op, socket_, CloseMode::orderly);
    // So short a request is taken whole.
    if (op.kind == Op::Kind::connect) return loop_.send(op, socket_, as_bytes(request));
    loop_.receive(op, socket_);
  }

  Loop& loop_;
  const SocketAddress& address_;
  Socket socket_ = Socket::none;
  bool is_closing_ = false;
  RecordedOp op_;
};

/// Clients on a loop of their own.
class Clients {
 public:
  Clients(const SocketAddress& address, std::size_t count) : loop_(*make_engine(Engine::epoll)) {
    for (std::size_t i = 0; i < count; ++i) clients_.emplace_back(loop_, address);
  }
  ~Clients() {
    for (Client& client : clients_) client.close();
    while (!std::ranges::all_of(clients_, &Client::is_done)) loop_.run_once();
  }
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  /// False if so many are not answered for so long that they never will be.
  bool wait_for_answers(std::size_t count) {
    const auto deadline = loop_.now() + std::chrono::minutes{1};
    const auto answered = [&] { return std::ranges::count_if(clients_, &Client::is_answered); };
    while (std::cmp_less(answered(), count)) {
      if (loop_.now() >= deadline) return false;
      loop_.run_once(std::chrono::seconds{1});
    }
    return true;
  }

 private:
  Loop loop_;
  std::deque<Client> clients_;
};

class BlockedWorkerTest : public testing::TestWithParam<Engine> {};

INSTANTIATE_TEST_SUITE_P(Engines, BlockedWorkerTest, testing::Values(Engine::io_uring, Engine::epoll),
                         [](const auto& engine) { return std::string(to_string(engine.param)); });

TEST_P(BlockedWorkerTest, TheOtherOneServesItsConnections) {
  if (const auto unavailable = probe_engine(GetParam())) GTEST_SKIP() << unavailable->reason;
  auto read = read_config(R"(
listener.front.bind = ["127.0.0.1:80"]
backend.b.servers = ["127.0.0.1:8080"]
[[route]]
name = ["a.example"]
to = "b"
)",
                          "f");
  ASSERT_TRUE(read.config);
  ServerRegistry registry(2);
  auto servers = ServerPool::resolve(*read.config, {}, registry);
  ASSERT_TRUE(servers);
  const auto listener = open_listening_socket({.ip = IpEndpoint::parse("127.0.0.1:0"), .unix_path = {}});
  ASSERT_TRUE(listener) << listener.error().message;
  const SocketAddress address = address_of_listening_socket(*listener);
  const auto snapshot = std::make_shared<const Snapshot>(
      Snapshot{.number = 0,
               .config = std::make_shared<const Config>(std::move(*read.config)),
               .servers = std::make_shared<const ServerPool>(std::move(*servers)),
               .admission = nullptr,
               .sockets = {{.listener = 0, .socket = *listener}}});
  AcceptCounts counts(2);
  std::vector<std::unique_ptr<RunningWorker>> workers;
  workers.reserve(2);
  for (std::uint32_t i = 0; i < 2; ++i)
    workers.push_back(std::make_unique<RunningWorker>(GetParam(), snapshot, counts, i));

  std::latch is_blocked{1};
  std::latch may_go_on{1};
  workers[1]->loop().post([&] {
    counts.add(1);  // so that it seems to take part in the window that comes
    is_blocked.count_down();
    may_go_on.wait();
  });
  is_blocked.wait();
  const std::uint32_t before = counts.of(0);

  // An accept of io_uring that waits is woken for a connection that it cannot take before its worker asks,
  // and then that one waits, too. It is not alone in that queue: whoever comes behind it brings it on.
  const std::size_t left_waiting = GetParam() == Engine::io_uring ? Acceptor::most_accepts : 0;
  constexpr std::size_t count = 300;
  {
    Clients clients(address, count);
    EXPECT_TRUE(clients.wait_for_answers(count - left_waiting));
    EXPECT_GE(counts.of(0) - before, count - left_waiting);
    may_go_on.count_down();
    EXPECT_TRUE(clients.wait_for_answers(count));
  }
  workers.clear();
  close_listening_socket(*listener);
}

}  // namespace
}  // namespace portshare
