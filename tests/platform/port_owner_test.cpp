#include "platform/port_owner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>

#include "tests/platform/test_socket.h"

namespace portshare {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::SizeIs;
using State = LocalSocket::State;

/// An address of this process alone: other programs of this host use the same ports on theirs.
const std::string& home() {
  static const std::string address =
      "127.91." + std::to_string(::getpid() / 250 % 250) + "." + std::to_string(1 + ::getpid() % 250);
  return address;
}
const std::string& home_with_any_port() {
  static const std::string endpoint = home() + ":0";
  return endpoint;
}
const char* any_port() {
  return home_with_any_port().c_str();
}

bool is_of_others(const LocalSocket& socket) {
  const IpAddress& address = socket.local.address;
  return socket.state == State::time_wait ||
         (address.is_v4() && address != *IpAddress::parse(home()) && !address.is_unspecified());
}

std::vector<LocalSocket> sockets_on(std::vector<std::uint16_t> ports,
                                    ListedSockets which = ListedSockets::all) {
  auto sockets = list_sockets(ports, which);
  EXPECT_TRUE(sockets) << sockets.error();
  std::erase_if(*sockets, is_of_others);
  return *sockets;
}

PortOwners owners_of(std::uint16_t port, std::optional<IpAddress> address = IpAddress::parse(home())) {
  const PortQuery query{.address = address, .port = port};
  auto found = find_port_owners(std::span(&query, 1), SearchedNamespaces::own);
  EXPECT_TRUE(found) << found.error();
  return *found;
}

bool kernel_is_at_least(int major, int minor) {
  utsname name{};
  if (::uname(&name) != 0) return false;
  int found_major = 0;
  int found_minor = 0;
  char dot = 0;
  std::istringstream(name.release) >> found_major >> dot >> found_minor;
  return std::pair(found_major, found_minor) >= std::pair(major, minor);
}

TEST(SocketDiag, TellsAddressStateAndInode) {
  const TestSocket listener = listening_on(any_port());
  const auto found = sockets_on({listener.port()});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].transport, Transport::tcp);
  EXPECT_EQ(found[0].state, State::listening);
  EXPECT_EQ(found[0].local, listener.local());
  EXPECT_EQ(found[0].inode, listener.inode());
  EXPECT_EQ(found[0].user, ::geteuid());
  EXPECT_FALSE(found[0].is_ipv6);
  EXPECT_FALSE(found[0].takes_both);
}

TEST(SocketDiag, OnlyThesePortsAndEachOfThem) {
  constexpr int count = 20;
  std::vector<TestSocket> listeners;
  listeners.reserve(count);
  for (int i = 0; i < count; ++i) listeners.push_back(listening_on(any_port()));
  // Every other one, in no order, beside ports that nobody has.
  std::vector<std::uint16_t> ports{1, 65535};
  std::vector<std::uint64_t> expected;
  for (std::size_t i = 0; i < listeners.size(); i += 2) {
    ports.insert(ports.begin() + static_cast<std::ptrdiff_t>(i / 2 % 3), listeners[i].port());
    expected.push_back(listeners[i].inode());
  }
  std::vector<std::uint64_t> inodes;
  for (const LocalSocket& socket : sockets_on(ports, ListedSockets::listening))
    inodes.push_back(socket.inode);
  EXPECT_THAT(inodes, IsSupersetOf(expected));
  for (std::size_t i = 1; i < listeners.size(); i += 2) {
    EXPECT_THAT(inodes, Not(Contains(listeners[i].inode())));
  }
}

TEST(SocketDiag, MorePortsThanOneFilterHolds) {
  const TestSocket listener = listening_on(any_port());
  std::vector<std::uint16_t> ports;
  for (std::uint16_t other = 1; other < 1000; ++other) ports.push_back(other);
  ports.push_back(listener.port());
  const auto found = sockets_on(ports, ListedSockets::listening);
  EXPECT_EQ(std::ranges::count(found, listener.inode(), &LocalSocket::inode), 1);
}

TEST(SocketDiag, Ipv6AndBothFamilies) {
  TestSocket both(AF_INET6, SOCK_STREAM);
  both.with(IPPROTO_IPV6, IPV6_V6ONLY, 0).bind("[::]:0").listen();
  TestSocket one(AF_INET6, SOCK_STREAM);
  one.with(IPPROTO_IPV6, IPV6_V6ONLY, 1).bind("[::]:0").listen();
  const TestSocket specific = listening_on("[::1]:0");
  const auto found = sockets_on({both.port()});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_TRUE(found[0].is_ipv6 && found[0].takes_both);
  EXPECT_THAT(sockets_on({one.port()}), ElementsAre(Field(&LocalSocket::takes_both, false)));
  EXPECT_THAT(sockets_on({specific.port()}), ElementsAre(Field(&LocalSocket::takes_both, false)));
}

TEST(SocketDiag, UdpIsBoundUnlessItIsConnected) {
  TestSocket server(AF_INET, SOCK_DGRAM);
  server.bind(any_port());
  TestSocket client(AF_INET, SOCK_DGRAM);
  client.bind(any_port()).connect(server.local());
  const auto found = sockets_on({server.port()});
  ASSERT_THAT(found, ElementsAre(Field(&LocalSocket::state, State::bound)));
  EXPECT_EQ(found[0].transport, Transport::udp);
  const auto connected = sockets_on({client.port()});
  ASSERT_THAT(connected, ElementsAre(Field(&LocalSocket::state, State::connected)));
  EXPECT_EQ(connected[0].remote, server.local());
  for (const LocalSocket& socket : sockets_on({server.port()}, ListedSockets::listening)) {
    EXPECT_EQ(socket.transport, Transport::tcp);
  }
}

TEST(SocketDiag, ASocketThatIsBoundAndDoesNotListen) {
  if (!kernel_is_at_least(6, 8)) GTEST_SKIP() << "Linux lists them since 6.8";
  TestSocket bound(AF_INET, SOCK_STREAM);
  bound.bind(any_port());
  EXPECT_THAT(sockets_on({bound.port()}), ElementsAre(Field(&LocalSocket::state, State::bound)));
}

TEST(SocketDiag, AMultipathListenerIsOneSocketOfItsOwner) {
  TestSocket listener(AF_INET, SOCK_STREAM, 262);
  if (listener.get() < 0) GTEST_SKIP() << "this system has no MPTCP";
  listener.bind(any_port()).listen();
  const auto found = sockets_on({listener.port()});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].inode, listener.inode());
}

LocalSocket on(const char* address, bool takes_both = false, std::uint32_t interface = 0) {
  LocalSocket socket;
  socket.local = {.address = *IpAddress::parse(address), .port = 80};
  socket.is_ipv6 = !socket.local.address.is_v4();
  socket.takes_both = takes_both;
  socket.interface = interface;
  return socket;
}

TEST(SocketDiag, AddressesOverlap) {
  const auto overlap = [](const LocalSocket& one, const LocalSocket& other) {
    EXPECT_EQ(addresses_overlap(one, other), addresses_overlap(other, one));
    return addresses_overlap(one, other);
  };
  EXPECT_TRUE(overlap(on("192.0.2.1"), on("192.0.2.1")));
  EXPECT_TRUE(overlap(on("192.0.2.1"), on("0.0.0.0")));
  EXPECT_TRUE(overlap(on("2001:db8::1"), on("::")));
  EXPECT_TRUE(overlap(on("192.0.2.1"), on("::", true)));
  EXPECT_FALSE(overlap(on("192.0.2.1"), on("192.0.2.2")));
  EXPECT_FALSE(overlap(on("192.0.2.1"), on("::")));
  EXPECT_FALSE(overlap(on("0.0.0.0"), on("::")));
  EXPECT_FALSE(overlap(on("0.0.0.0"), on("2001:db8::1")));
  EXPECT_FALSE(overlap(on("fe80::1", false, 1), on("fe80::1", false, 2)));
  EXPECT_TRUE(overlap(on("0.0.0.0", false, 1), on("192.0.2.1")));
}

TEST(PortOwner, IsThisProcess) {
  const TestSocket listener = listening_on(any_port());
  const auto found = owners_of(listener.port());
  ASSERT_THAT(found.owners, SizeIs(1));
  const PortOwner& owner = found.owners[0];
  ASSERT_THAT(owner.processes, SizeIs(1));
  EXPECT_EQ(owner.processes[0].pid, ::getpid());
  EXPECT_EQ(owner.processes[0].parent, ::getppid());
  EXPECT_EQ(owner.processes[0].user, ::geteuid());
  EXPECT_EQ(owner.processes[0].program, "platform_tests");
  ASSERT_FALSE(owner.processes[0].command_line.empty());
  EXPECT_THAT(owner.processes[0].command_line[0], testing::HasSubstr("platform_tests"));
  EXPECT_EQ(owner.user, user_name(::geteuid()));
  EXPECT_EQ(owner.network_namespace, "");
  EXPECT_FALSE(owner.process_is_hidden);
  EXPECT_EQ(owner.shares_port, false);
}

TEST(PortOwner, IsEveryProcessThatInheritedIt) {
  const TestSocket listener = listening_on(any_port());
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::close(pipe[1]);
    char byte = 0;
    (void)!::read(pipe[0], &byte, 1);  // until the parent closes its end
    std::_Exit(0);
  }
  const auto found = owners_of(listener.port());
  ::close(pipe[0]);
  ::close(pipe[1]);
  ::waitpid(child, nullptr, 0);
  ASSERT_THAT(found.owners, SizeIs(1));
  EXPECT_THAT(found.owners[0].processes,
              ElementsAre(Field(&ProcessInfo::pid, ::getpid()), Field(&ProcessInfo::pid, child)));
}

TEST(PortOwner, IsFoundBehindManyDescriptors) {
  constexpr int count = 3000;
  std::vector<FileDescriptor> many;
  many.reserve(count);
  for (int i = 0; i < count; ++i) many.emplace_back(::dup(STDERR_FILENO));
  if (!many.back().is_open()) GTEST_SKIP() << "too few descriptors";
  const TestSocket listener = listening_on(any_port());
  const auto found = owners_of(listener.port());
  ASSERT_THAT(found.owners, SizeIs(1));
  EXPECT_THAT(found.owners[0].processes, SizeIs(1));
}

TEST(PortOwner, SharesItsPort) {
  TestSocket first(AF_INET, SOCK_STREAM);
  first.with(SOL_SOCKET, SO_REUSEPORT).bind(any_port()).listen();
  TestSocket second(AF_INET, SOCK_STREAM);
  second.with(SOL_SOCKET, SO_REUSEPORT).bind(home().c_str(), first.port()).listen();
  EXPECT_THAT(owners_of(first.port()).owners,
              ElementsAre(Field(&PortOwner::shares_port, true), Field(&PortOwner::shares_port, true)));
}

TEST(PortOwner, OnlyThoseInTheWayOfAnAddress) {
  const TestSocket first = listening_on(any_port());
  const std::string neighbour = "127.92" + home().substr(6);
  TestSocket second(AF_INET, SOCK_STREAM);
  second.bind(neighbour.c_str(), first.port()).listen();
  const auto inodes_at = [&](const char* address) {
    std::vector<std::uint64_t> inodes;
    for (const PortOwner& owner : owners_of(first.port(), IpAddress::parse(address)).owners) {
      inodes.push_back(owner.socket.inode);
    }
    return inodes;
  };
  EXPECT_THAT(inodes_at(home().c_str()), ElementsAre(first.inode()));
  EXPECT_THAT(inodes_at(neighbour.c_str()), ElementsAre(second.inode()));
  EXPECT_THAT(inodes_at("127.93.0.1"), IsEmpty());
  EXPECT_THAT(inodes_at("0.0.0.0"), IsSupersetOf({first.inode(), second.inode()}));
  EXPECT_THAT(inodes_at("::"), Not(Contains(first.inode())));
}

TEST(PortOwner, ConnectionsAreCountedBesideAListener) {
  const TestSocket listener = listening_on(any_port());
  TestSocket client(AF_INET, SOCK_STREAM);
  client.bind(any_port()).connect(listener.local());
  const FileDescriptor accepted(::accept(listener.get(), nullptr, nullptr));
  const auto found = owners_of(listener.port());
  EXPECT_THAT(found.owners, SizeIs(1));
  ASSERT_THAT(found.connections, SizeIs(1));
  EXPECT_EQ(found.connections[0].open, 1U);
  EXPECT_EQ(found.connections[0].in_time_wait, 0U);
  // Where nothing listens, the connection itself holds the port.
  const auto of_client = owners_of(client.port());
  ASSERT_THAT(of_client.owners, SizeIs(1));
  EXPECT_EQ(of_client.owners[0].socket.state, State::connected);
  EXPECT_EQ(of_client.owners[0].socket.remote, listener.local());
  EXPECT_THAT(of_client.owners[0].processes, SizeIs(1));
  EXPECT_THAT(of_client.connections, IsEmpty());
}

TEST(PortOwner, WhatIsLeftOfConnectionsIsNobodys) {
  std::uint16_t port = 0;
  {
    const TestSocket listener = listening_on(any_port());
    TestSocket client(AF_INET, SOCK_STREAM);
    client.connect(listener.local());
    {
      const FileDescriptor accepted(::accept(listener.get(), nullptr, nullptr));
    }  // closes first, and keeps the port in TIME_WAIT
    char byte = 0;
    EXPECT_EQ(::read(client.get(), &byte, 1), 0);
    port = listener.port();
  }
  const auto found = owners_of(port);
  EXPECT_THAT(found.owners, IsEmpty());
  ASSERT_THAT(found.connections, SizeIs(1));
  EXPECT_EQ(found.connections[0].open, 0U);
  EXPECT_EQ(found.connections[0].in_time_wait, 1U);
}

TEST(PortOwner, BoundToAnInterface) {
  TestSocket listener(AF_INET, SOCK_STREAM);
  const std::string_view loopback = "lo";
  if (::setsockopt(listener.get(), SOL_SOCKET, SO_BINDTODEVICE, loopback.data(), 2) != 0) {
    GTEST_SKIP() << "this user may not bind to an interface";
  }
  listener.bind("0.0.0.0:0").listen();
  const auto found = owners_of(listener.port());
  ASSERT_THAT(found.owners, SizeIs(1));
  EXPECT_EQ(found.owners[0].interface, "lo");
  EXPECT_EQ(found.owners[0].socket.interface, ::if_nametoindex("lo"));
}

}  // namespace
}  // namespace portshare
