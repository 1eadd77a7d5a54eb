#include "platform/listening_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include "platform/address_translation.h"
#include "tests/platform/temporary_folder.h"

namespace portshare {
namespace {

using testing::AllOf;
using testing::HasSubstr;

SocketAddress tcp(const char* text) {
  return {IpEndpoint::parse(text), ""};
}

int option(Socket socket, int level, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  EXPECT_EQ(getsockopt(std::to_underlying(socket), level, name, &value, &length), 0);
  return value;
}

// A blocking client; -1 if nobody answers.
int connect_to(const SocketAddress& address) {
  sockaddr_storage storage{};
  const socklen_t length = to_system_address(address, storage);
  const int client = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client < 0) return -1;
  if (::connect(client, reinterpret_cast<const sockaddr*>(&storage), length) == 0) return client;
  ::close(client);
  return -1;
}

TEST(ListeningSocket, TakesConnections) {
  for (const char* text : {"127.0.0.1:0", "[::1]:0"}) {
    const auto listener = open_listening_socket(tcp(text));
    ASSERT_TRUE(listener) << listener.error().message;
    const SocketAddress address = address_of_listening_socket(*listener);
    ASSERT_NE(address.ip->port, 0);
    const int client = connect_to(address);
    ASSERT_GE(client, 0) << text;
    const int accepted = ::accept(std::to_underlying(*listener), nullptr, nullptr);
    ASSERT_GE(accepted, 0) << text;
    EXPECT_EQ(option(Socket{accepted}, IPPROTO_TCP, TCP_NODELAY), 1) << text;
    ::close(accepted);
    ::close(client);
    close_listening_socket(*listener);
    EXPECT_EQ(connect_to(address), -1) << text;
  }
}

TEST(ListeningSocket, IsExclusiveNonBlockingAndNotInherited) {
  const auto listener = open_listening_socket(tcp("127.0.0.1:0"));
  ASSERT_TRUE(listener);
  EXPECT_EQ(option(*listener, SOL_SOCKET, SO_REUSEPORT), 0);
  EXPECT_EQ(option(*listener, SOL_SOCKET, SO_REUSEADDR), 1);
  EXPECT_TRUE(fcntl(std::to_underlying(*listener), F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(fcntl(std::to_underlying(*listener), F_GETFD) & FD_CLOEXEC);
  close_listening_socket(*listener);
}

TEST(ListeningSocket, SaysThatAnAddressIsInUse) {
  const auto first = open_listening_socket(tcp("127.0.0.1:0"));
  ASSERT_TRUE(first);
  const SocketAddress address = address_of_listening_socket(*first);
  const auto second = open_listening_socket(address);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().system_error, EADDRINUSE);
  EXPECT_EQ(second.error().message,
            "cannot listen on " + address.to_string() + ": the address is already in use by another program");
  close_listening_socket(*first);
}

TEST(ListeningSocket, AWildcardAndOneOfItsAddressesExcludeEachOther) {
  const auto wildcard = open_listening_socket(tcp("0.0.0.0:0"));
  ASSERT_TRUE(wildcard);
  const std::uint16_t port = address_of_listening_socket(*wildcard).ip->port;
  const auto one = open_listening_socket({IpEndpoint{*IpAddress::parse("127.0.0.1"), port}, ""});
  ASSERT_FALSE(one);
  EXPECT_EQ(one.error().system_error, EADDRINUSE);
  close_listening_socket(*wildcard);
}

TEST(ListeningSocket, Ipv4AndIpv6WildcardsStandSideBySide) {
  const auto v6 = open_listening_socket(tcp("[::]:0"));
  ASSERT_TRUE(v6) << v6.error().message;
  EXPECT_EQ(option(*v6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
  const std::uint16_t port = address_of_listening_socket(*v6).ip->port;
  const auto v4 = open_listening_socket({IpEndpoint{*IpAddress::parse("0.0.0.0"), port}, ""});
  // Another program may hold the port for IPv4, which would be its right.
  if (v4)
    close_listening_socket(*v4);
  else
    EXPECT_EQ(connect_to({IpEndpoint{*IpAddress::parse("127.0.0.1"), port}, ""}) >= 0, true)
        << v4.error().message;
  close_listening_socket(*v6);
}

TEST(ListeningSocket, TimeWaitDoesNotBlockARestart) {
  const auto first = open_listening_socket(tcp("127.0.0.1:0"));
  ASSERT_TRUE(first);
  const SocketAddress address = address_of_listening_socket(*first);
  const int client = connect_to(address);
  ASSERT_GE(client, 0);
  const int accepted = ::accept(std::to_underlying(*first), nullptr, nullptr);
  ASSERT_GE(accepted, 0);
  // The side that closes first is the one that stays in TIME_WAIT, on the listener's port.
  ::close(accepted);
  char byte = 0;
  EXPECT_EQ(::read(client, &byte, 1), 0);
  ::close(client);
  close_listening_socket(*first);

  const auto second = open_listening_socket(address);
  ASSERT_TRUE(second) << second.error().message;
  close_listening_socket(*second);
}

TEST(ListeningSocket, SaysThatTheAddressIsNotOurs) {
  const auto listener = open_listening_socket(tcp("192.0.2.1:8080"));
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().status, Status::unreachable);
  EXPECT_EQ(listener.error().message,
            "cannot listen on 192.0.2.1:8080: this host does not have that address");
}

TEST(ListeningSocket, ReplacesTheFileOfADeadProcess) {
  const TemporaryFolder folder;
  const SocketAddress address{std::nullopt, folder.file("web.sock")};
  const auto first = open_listening_socket(address);
  ASSERT_TRUE(first) << first.error().message;
  ::close(std::to_underlying(*first));  // as a crash would, leaving the file
  ASSERT_TRUE(std::filesystem::exists(address.unix_path));

  const auto second = open_listening_socket(address);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(address_of_listening_socket(*second), address);
  const int client = connect_to(address);
  EXPECT_GE(client, 0);
  ::close(client);
  close_listening_socket(*second);
  EXPECT_FALSE(std::filesystem::exists(address.unix_path));
}

TEST(ListeningSocket, LeavesTheFileOfALivingProcess) {
  const TemporaryFolder folder;
  const SocketAddress address{std::nullopt, folder.file("web.sock")};
  const auto first = open_listening_socket(address);
  ASSERT_TRUE(first);
  const auto second = open_listening_socket(address);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().system_error, EADDRINUSE);
  EXPECT_THAT(second.error().message, HasSubstr("a program is listening there already"));
  const int client = connect_to(address);
  EXPECT_GE(client, 0);
  ::close(client);
  close_listening_socket(*first);
}

TEST(ListeningSocket, NeverRemovesAFileThatIsNotASocket) {
  const TemporaryFolder folder;
  const SocketAddress address{std::nullopt, folder.file("notes.txt")};
  std::ofstream(address.unix_path) << "keep me";
  const auto listener = open_listening_socket(address);
  ASSERT_FALSE(listener);
  EXPECT_THAT(listener.error().message, HasSubstr("a file that is not a socket stands there"));
  EXPECT_TRUE(std::filesystem::exists(address.unix_path));
}

TEST(ListeningSocket, SaysWhatIsWrongWithAPath) {
  const TemporaryFolder folder;
  const auto nowhere = open_listening_socket({std::nullopt, folder.file("absent/web.sock")});
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, AllOf(HasSubstr("unix:" + folder.file("absent/web.sock")),
                                             HasSubstr("the folder does not exist")));
  const auto long_path = open_listening_socket({std::nullopt, folder.file(std::string(120, 'x'))});
  ASSERT_FALSE(long_path);
  EXPECT_THAT(long_path.error().message, HasSubstr("the path is longer than 107 bytes"));
}

TEST(ListeningSocketDeathTest, LowPortsNameTheMissingCapability) {
  int first_unprivileged_port = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first_unprivileged_port;
  if (first_unprivileged_port <= 1) GTEST_SKIP() << "this system lets everybody bind low ports";
  constexpr uid_t nobody = 65534;
  EXPECT_EXIT(
      {
        if (geteuid() == 0 && setresuid(nobody, nobody, nobody) != 0) std::abort();
        const auto listener = open_listening_socket(tcp("127.0.0.1:1"));
        if (!listener) std::cerr << listener.error().message;
        std::exit(!listener && listener.error().status == Status::permission ? 0 : 1);
      },
      testing::ExitedWithCode(0),
      "^cannot listen on 127.0.0.1:1: permission denied: .* CAP_NET_BIND_SERVICE$");
}

}  // namespace
}  // namespace portshare
