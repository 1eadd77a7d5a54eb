// On the system's own sockets: what it makes of one that is set back is the point.
#include "platform/spare_sockets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/address_translation.h"
#include "platform/listening_socket.h"

namespace portshare {
namespace {

bool is_open(int descriptor) {
  return ::fcntl(descriptor, F_GETFD) >= 0;
}

int option(int descriptor, int level, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  EXPECT_EQ(::getsockopt(descriptor, level, name, &value, &length), 0);
  return value;
}

void put(int descriptor, std::string_view bytes) {
  ASSERT_EQ(::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL), std::ssize(bytes));
}

void wait_for_input(int descriptor) {
  pollfd wanted{.fd = descriptor, .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&wanted, 1, -1), 1);
}

/// To the end of the stream, or an error, which is named.
std::string read_to_the_end(int descriptor) {
  std::string all;
  while (true) {
    std::array<char, 1000> bytes{};
    wait_for_input(descriptor);
    const auto got = ::recv(descriptor, bytes.data(), bytes.size(), 0);
    if (got < 0) return all + "<" + std::to_string(errno) + ">";
    if (got == 0) return all;
    all.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

struct Connection {
  int client = -1;
  int server = -1;
};

class SpareSocketsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto listener = open_listening_socket({.ip = IpEndpoint::parse(GetParam()), .unix_path = {}});
    if (!listener && listener.error().status == Status::unreachable) GTEST_SKIP() << "no such family here";
    ASSERT_TRUE(listener) << listener.error().message;
    listener_ = *listener;
    address_ = address_of_listening_socket(listener_);
  }
  void TearDown() override {
    if (listener_ != Socket::none) close_listening_socket(listener_);
  }

  [[nodiscard]] bool is_v4() const { return address_.ip->address.is_v4(); }
  [[nodiscard]] SpareSockets::Kind kind() const { return {.is_v4 = is_v4()}; }
  /// The way of PosixBackend: a socket that does not block, connected with two calls.
  [[nodiscard]] Connection connect_with(int client) {
    sockaddr_storage storage{};
    const socklen_t length = to_system_address(address_, storage);
    const auto* address = reinterpret_cast<const sockaddr*>(&storage);
    int result = ::connect(client, address, length);
    if (result != 0 && errno == EINPROGRESS) result = ::connect(client, address, length);
    EXPECT_EQ(result, 0) << errno;
    wait_for_input(std::to_underlying(listener_));
    const int server = ::accept4(std::to_underlying(listener_), nullptr, nullptr, SOCK_CLOEXEC);
    EXPECT_GE(server, 0);
    spares_.connected_at_once(Socket{client}, kind());
    return {client, server};
  }
  [[nodiscard]] Connection connect() {
    const int client = ::socket(is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_GE(client, 0);
    const int on = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return connect_with(client);
  }
  /// One in which all has been said, and which has ended.
  [[nodiscard]] Connection connect_and_end() {
    const Connection connection = connect();
    put(connection.client, "question");
    put(connection.server, "answer");
    ::shutdown(connection.client, SHUT_WR);
    EXPECT_EQ(read_to_the_end(connection.server), "question");
    ::close(connection.server);
    EXPECT_EQ(read_to_the_end(connection.client), "answer");
    return connection;
  }
  [[nodiscard]] bool keep(const Connection& connection) { return spares_.keep(Socket{connection.client}); }

  SpareSockets spares_;
  Socket listener_ = Socket::none;
  SocketAddress address_;
};

INSTANTIATE_TEST_SUITE_P(Families, SpareSocketsTest, testing::Values("127.0.0.1:0", "[::1]:0"),
                         [](const auto& family) { return family.index == 0 ? "IPv4" : "IPv6"; });

TEST_P(SpareSocketsTest, AKeptSocketIsAsGoodAsNew) {
  Connection connection = connect_and_end();
  const int descriptor = connection.client;
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(keep(connection));
    EXPECT_EQ(spares_.take({.is_v4 = !is_v4()}), -1) << "the other family's";
    EXPECT_EQ(spares_.take({.is_v4 = is_v4(), .speaks_first = true}), -1) << "one with other options";
    ASSERT_EQ(spares_.take(kind()), descriptor);
    EXPECT_EQ(spares_.take(kind()), -1) << "there was one";
    EXPECT_EQ(option(descriptor, SOL_SOCKET, SO_ERROR), 0);
    connection = connect_with(descriptor);
    EXPECT_NE(option(descriptor, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_EQ(option(descriptor, SOL_SOCKET, SO_ERROR), 0);
    const std::string question = "question " + std::to_string(round);
    const std::string answer = "answer " + std::to_string(round);
    char byte = 0;
    EXPECT_EQ(::recv(descriptor, &byte, 1, MSG_DONTWAIT), -1) << "nothing is left of the last connection";
    EXPECT_EQ(errno, EAGAIN);
    put(descriptor, question);
    put(connection.server, answer);
    // Either end may be the first.
    const auto [first, second] = round % 2 == 0 ? std::pair(connection.client, connection.server)
                                                : std::pair(connection.server, connection.client);
    ::shutdown(first, SHUT_WR);
    EXPECT_EQ(read_to_the_end(second), second == connection.server ? question : answer);
    ::shutdown(second, SHUT_WR);
    EXPECT_EQ(read_to_the_end(first), first == connection.server ? question : answer);
    ::close(connection.server);
  }
  ASSERT_TRUE(keep(connection));
}

TEST_P(SpareSocketsTest, TheSystemChoosesANewPort) {
  const auto port_of = [](int descriptor) {
    sockaddr_storage storage{};
    socklen_t length = sizeof(storage);
    EXPECT_EQ(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &length), 0);
    return to_endpoint(reinterpret_cast<const sockaddr&>(storage), length)->port;
  };
  // That the same one is drawn again is possible, but not each time.
  std::vector<std::uint16_t> ports;
  for (int round = 0; round < 10; ++round) {
    const int spare = spares_.take(kind());
    const Connection connection = spare < 0 ? connect() : connect_with(spare);
    ports.push_back(port_of(connection.client));
    ::shutdown(connection.server, SHUT_WR);
    EXPECT_EQ(read_to_the_end(connection.client), "");
    ::shutdown(connection.client, SHUT_WR);
    EXPECT_EQ(read_to_the_end(connection.server), "");
    ::close(connection.server);
    ASSERT_TRUE(keep(connection));
  }
  EXPECT_GT(std::set<std::uint16_t>(ports.begin(), ports.end()).size(), 1U);
}

TEST_P(SpareSocketsTest, TheEndIsSaidWhereItHasNotBeen) {
  const Connection connection = connect();
  ::shutdown(connection.server, SHUT_WR);
  EXPECT_EQ(read_to_the_end(connection.client), "");
  put(connection.client, "last words");
  EXPECT_TRUE(keep(connection));
  EXPECT_EQ(read_to_the_end(connection.server), "last words");
  ::close(connection.server);
}

TEST_P(SpareSocketsTest, OneWhosePeerHasNotEndedIsNotKept) {
  const Connection connection = connect();
  put(connection.client, "question");
  EXPECT_FALSE(keep(connection));
  EXPECT_TRUE(is_open(connection.client)) << "closing it is for whoever asked";
  ::close(connection.client);
  EXPECT_EQ(read_to_the_end(connection.server), "question") << "and the end";
  ::close(connection.server);
  EXPECT_EQ(spares_.take(kind()), -1);
}

TEST_P(SpareSocketsTest, OneWithBytesThatThePeerHasNotReadIsKeptOnlyWhenTheyAreSafe) {
  // More than the peer takes without reading.
  const Connection connection = connect();
  ::shutdown(connection.server, SHUT_WR);
  EXPECT_EQ(read_to_the_end(connection.client), "");
  const std::string piece(100'000, 'x');
  std::size_t sent = 0;
  while (true) {
    const auto taken = ::send(connection.client, piece.data(), piece.size(), MSG_NOSIGNAL);
    if (taken < 0) break;
    sent += static_cast<std::size_t>(taken);
  }
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_FALSE(keep(connection));
  ::close(connection.client);
  EXPECT_EQ(read_to_the_end(connection.server).size(), sent);
  ::close(connection.server);
}

TEST_P(SpareSocketsTest, BytesThatNobodyReadAreGone) {
  // Whoever calls keep() has read to the end; should bytes be left all the same, nobody gets them.
  const Connection connection = connect();
  put(connection.server, "old bytes");
  ::shutdown(connection.server, SHUT_WR);
  wait_for_input(connection.client);
  ::shutdown(connection.client, SHUT_WR);
  EXPECT_EQ(read_to_the_end(connection.server), "");
  ::close(connection.server);
  if (!keep(connection)) {
    ::close(connection.client);
    return;
  }
  const Connection next = connect_with(spares_.take(kind()));
  put(next.server, "new bytes");
  ::close(next.server);
  EXPECT_EQ(read_to_the_end(next.client), "new bytes");
  ::close(next.client);
}

TEST_P(SpareSocketsTest, AResetIsNotReportedToTheNextOne) {
  for (const bool ended_first : {false, true}) {
    for (const bool shut_down : {false, true}) {
      const Connection connection = connect();
      if (ended_first) {
        ::shutdown(connection.server, SHUT_WR);
        EXPECT_EQ(read_to_the_end(connection.client), "");
        put(connection.client, "unread");
      }
      if (shut_down) ::shutdown(connection.client, SHUT_WR);
      const linger at_once{.l_onoff = 1, .l_linger = 0};
      ::setsockopt(connection.server, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
      ::close(connection.server);
      SCOPED_TRACE(testing::Message() << "ended first: " << ended_first << ", shut down: " << shut_down);
      if (!keep(connection)) {
        ::close(connection.client);
        continue;
      }
      const int spare = spares_.take(kind());
      ASSERT_EQ(spare, connection.client);
      EXPECT_EQ(option(spare, SOL_SOCKET, SO_ERROR), 0);
      ::close(spare);
    }
  }
}

TEST_P(SpareSocketsTest, OneThatWasNotConnectedAtOnceIsNotKept) {
  const Connection connection = connect_and_end();
  SpareSockets others;
  EXPECT_FALSE(others.keep(Socket{connection.client}));
  EXPECT_TRUE(keep(connection));
}

TEST_P(SpareSocketsTest, WhatIsKnownOfASocketEndsWithIt) {
  const Connection connection = connect_and_end();
  spares_.forget(Socket{connection.client});
  // From here on another socket may have its number.
  EXPECT_FALSE(keep(connection));
  ::close(connection.client);
}

TEST_P(SpareSocketsTest, ThereAreNoMoreThanMayBe) {
  std::vector<Connection> connections;
  connections.reserve(SpareSockets::most_spares + 3);
  for (std::size_t i = 0; i < SpareSockets::most_spares + 3; ++i) connections.push_back(connect_and_end());
  std::size_t kept = 0;
  for (const Connection& connection : connections) {
    if (keep(connection))
      ++kept;
    else
      ::close(connection.client);
  }
  EXPECT_EQ(kept, SpareSockets::most_spares);
  spares_.clear();
  for (const Connection& connection : connections) EXPECT_FALSE(is_open(connection.client));
  EXPECT_EQ(spares_.take(kind()), -1);
}

}  // namespace
}  // namespace portshare
