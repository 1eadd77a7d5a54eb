// Two workers on one listening socket, of which one does nothing for a while.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
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
#include "dispatch/server_pool.h"
#include "dispatch/worker.h"
#include "platform/address_translation.h"
#include "platform/engine.h"
#include "platform/listening_socket.h"
#include "tests/dispatch/config_text.h"

namespace portshare {
namespace {

/// On a thread of its own, as long as it lives.
class RunningWorker {
 public:
  RunningWorker(Engine engine, const Config& config, const ServerPool& servers, const ListeningSocket& socket,
                AcceptCounts& counts, std::uint32_t index)
      : thread_([=, this, &config, &servers, &counts] {
          Loop loop(*make_engine(engine));  // belongs to the thread that makes it
          WorkerOptions options;
          options.index = index;
          options.accept_counts = &counts;
          Worker worker(loop, config, servers, {socket}, std::move(options));
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
  explicit Client(const SocketAddress& address)
      : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage storage{};
    const socklen_t length = to_system_address(address, storage);
    EXPECT_EQ(::connect(descriptor_, reinterpret_cast<const sockaddr*>(&storage), length), 0);
    constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: nowhere.example\r\n\r\n";
    EXPECT_EQ(::send(descriptor_, request.data(), request.size(), MSG_NOSIGNAL), std::ssize(request));
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { ::close(descriptor_); }

  /// False if there is none for so long that none will come.
  [[nodiscard]] bool has_answer() {
    if (answered_) return true;
    pollfd wanted{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (::poll(&wanted, 1, 20'000) != 1) return false;
    std::array<char, 9> bytes{};
    answered_ = ::recv(descriptor_, bytes.data(), bytes.size(), MSG_WAITALL) == std::ssize(bytes) &&
                std::string_view(bytes.data(), bytes.size()) == "HTTP/1.1 ";
    return answered_;
  }

 private:
  int descriptor_;
  bool answered_ = false;
};

class BlockedWorkerTest : public testing::TestWithParam<Engine> {};

INSTANTIATE_TEST_SUITE_P(Engines, BlockedWorkerTest, testing::Values(Engine::io_uring, Engine::epoll),
                         [](const auto& engine) { return std::string(to_string(engine.param)); });

TEST_P(BlockedWorkerTest, TheOtherOneServesItsConnections) {
  if (const auto unavailable = probe_engine(GetParam())) GTEST_SKIP() << unavailable->reason;
  const auto read = read_config(R"(
listener.front.bind = ["127.0.0.1:80"]
backend.b.servers = ["127.0.0.1:8080"]
[[route]]
name = ["a.example"]
to = "b"
)",
                                "f");
  ASSERT_TRUE(read.config);
  const Config& config = *read.config;
  const auto servers =
      ServerPool::resolve(config, [](const std::string&) { return std::vector<IpAddress>{}; });
  ASSERT_TRUE(servers);
  const auto listener = open_listening_socket({.ip = IpEndpoint::parse("127.0.0.1:0"), .unix_path = {}});
  ASSERT_TRUE(listener) << listener.error().message;
  const SocketAddress address = address_of_listening_socket(*listener);
  AcceptCounts counts(2);
  std::vector<std::unique_ptr<RunningWorker>> workers;
  workers.reserve(2);
  for (std::uint32_t i = 0; i < 2; ++i)
    workers.push_back(std::make_unique<RunningWorker>(GetParam(), config, *servers,
                                                      ListeningSocket{0, *listener}, counts, i));

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
  std::vector<std::unique_ptr<Client>> clients;
  clients.reserve(count);
  for (std::size_t i = 0; i < count; ++i) clients.push_back(std::make_unique<Client>(address));
  for (std::size_t i = 0; i < count - left_waiting; ++i) EXPECT_TRUE(clients[i]->has_answer()) << i;
  EXPECT_GE(counts.of(0) - before, count - left_waiting);
  may_go_on.count_down();
  for (const auto& client : clients) EXPECT_TRUE(client->has_answer());

  clients.clear();
  workers.clear();
  close_listening_socket(*listener);
}

}  // namespace
}  // namespace portshare
