// What an engine makes of a socket on which bulk is to go.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "platform/engine.h"
#include "platform/listening_socket.h"
#include "platform/loop.h"
#include "tests/platform/test_socket.h"

namespace portshare {
namespace {

class BulkSocketTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto listener = open_listening_socket({.ip = IpEndpoint::parse(GetParam()), .unix_path = {}});
    if (!listener && listener.error().status == Status::unreachable) GTEST_SKIP() << "no such family here";
    ASSERT_TRUE(listener) << listener.error().message;
    close_listening_socket(*listener);
    auto engine = make_engine(Engine::epoll);
    ASSERT_TRUE(engine) << engine.error().reason;
    backend_ = std::move(*engine);
  }

  [[nodiscard]] static std::string congestion_control(int socket) {
    std::array<char, 16> name{};
    socklen_t length = name.size();
    EXPECT_EQ(::getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), &length), 0);
    return name.data();
  }
  [[nodiscard]] static std::string congestion_control(const TestSocket& socket) {
    return congestion_control(socket.get());
  }
  [[nodiscard]] static bool choose(int socket, const std::string& name) {
    return ::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(),
                        static_cast<socklen_t>(name.size())) == 0;
  }

  std::unique_ptr<Backend> backend_;
};

INSTANTIATE_TEST_SUITE_P(Families, BulkSocketTest, testing::Values("127.0.0.1:0", "[::1]:0"),
                         [](const auto& family) { return family.param[0] == '[' ? "v6" : "v4"; });

TEST_P(BulkSocketTest, IsNotPacedWithinTheHost) {
  const TestSocket listener = listening_on(GetParam());
  TestSocket client(GetParam()[0] == '[' ? AF_INET6 : AF_INET, SOCK_STREAM);
  if (!choose(client.get(), "bbr")) GTEST_SKIP() << "this system has no BBR, or not for this user";
  client.connect(listener.local());
  backend_->expect_bulk(Socket{client.get()});
  EXPECT_EQ(congestion_control(client), "reno");
}

TEST_P(BulkSocketTest, KeepsWhatDoesNotPace) {
  const TestSocket listener = listening_on(GetParam());
  for (const char* name : {"cubic", "reno"}) {
    TestSocket client(GetParam()[0] == '[' ? AF_INET6 : AF_INET, SOCK_STREAM);
    if (!choose(client.get(), name)) continue;
    client.connect(listener.local());
    backend_->expect_bulk(Socket{client.get()});
    EXPECT_EQ(congestion_control(client), name);
  }
}

TEST_P(BulkSocketTest, IsNotConnectedAnew) {
  const TestSocket fresh(AF_INET, SOCK_STREAM);
  if (congestion_control(fresh) == "reno") GTEST_SKIP() << "Reno is the default here";
  const TestSocket listener = listening_on(GetParam());
  const SocketAddress address{.ip = listener.local(), .unix_path = {}};
  Loop loop(std::move(backend_));
  for (int round = 0; round < 2; ++round) {
    Op op([](Op&, void*) {}, nullptr);
    const auto finish = [&] {
      while (!op.is_idle()) loop.run_once();
    };
    loop.connect(op, address);
    finish();
    ASSERT_TRUE(op.succeeded());
    const Socket socket = op.socket;
    const int descriptor = std::to_underlying(socket);
    EXPECT_EQ(congestion_control(descriptor), congestion_control(fresh)) << "round " << round;
    if (!choose(descriptor, "bbr")) GTEST_SKIP() << "this system has no BBR, or not for this user";
    loop.backend().expect_bulk(socket);
    EXPECT_EQ(congestion_control(descriptor), "reno");
    ::close(::accept(listener.get(), nullptr, nullptr));
    loop.receive(op, socket);
    finish();
    EXPECT_EQ(op.count, 0U);
    loop.close(op, socket, CloseMode::after_end);
    finish();
  }
}

TEST(BulkSocket, OfAUnixSocketNothingChanges) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  const FileDescriptor one(pair[0]);
  const FileDescriptor other(pair[1]);
  auto engine = make_engine(Engine::epoll);
  ASSERT_TRUE(engine) << engine.error().reason;
  (*engine)->expect_bulk(Socket{one.get()});
  EXPECT_EQ(::send(one.get(), "x", 1, 0), 1);
}

}  // namespace
}  // namespace portshare
