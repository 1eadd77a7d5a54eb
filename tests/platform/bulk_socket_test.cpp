// What an engine makes of a socket on which bulk is to go.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <string>

#include "platform/engine.h"
#include "platform/listening_socket.h"
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

  [[nodiscard]] static std::string congestion_control(const TestSocket& socket) {
    std::array<char, 16> name{};
    socklen_t length = name.size();
    EXPECT_EQ(::getsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(), &length), 0);
    return name.data();
  }
  [[nodiscard]] static bool choose(const TestSocket& socket, const std::string& name) {
    return ::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(),
                        static_cast<socklen_t>(name.size())) == 0;
  }

  std::unique_ptr<Backend> backend_;
};

INSTANTIATE_TEST_SUITE_P(Families, BulkSocketTest, testing::Values("127.0.0.1:0", "[::1]:0"),
                         [](const auto& family) { return family.param[0] == '[' ? "v6" : "v4"; });

TEST_P(BulkSocketTest, IsNotPacedWithinTheHost) {
  const TestSocket listener = listening_on(GetParam());
  TestSocket client(GetParam()[0] == '[' ? AF_INET6 : AF_INET, SOCK_STREAM);
  if (!choose(client, "bbr")) GTEST_SKIP() << "this system has no BBR, or not for this user";
  client.connect(listener.local());
  backend_->expect_bulk(Socket{client.get()});
  EXPECT_EQ(congestion_control(client), "reno");
}

TEST_P(BulkSocketTest, KeepsWhatDoesNotPace) {
  const TestSocket listener = listening_on(GetParam());
  for (const char* name : {"cubic", "reno"}) {
    TestSocket client(GetParam()[0] == '[' ? AF_INET6 : AF_INET, SOCK_STREAM);
    if (!choose(client, name)) continue;
    client.connect(listener.local());
    backend_->expect_bulk(Socket{client.get()});
    EXPECT_EQ(congestion_control(client), name);
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
