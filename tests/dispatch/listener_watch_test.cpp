#include "dispatch/listener_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "platform/engine.h"
#include "platform/listening_socket.h"

namespace portshare {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

SocketAddress at(const char* address, std::uint16_t port) {
  return {.ip = IpEndpoint{.address = *IpAddress::parse(address), .port = port}, .unix_path = {}};
}

class ListenerWatchTest : public testing::Test {
 public:
  ListenerWatchTest() : loop_(std::move(*make_engine(Engine::epoll))) {
    // 127.0.0.1 is ours; a socket of somebody else's on 127.0.0.2 has the same port.
    const auto socket = open_listening_socket(at("127.0.0.1", 0));
    EXPECT_TRUE(socket);
    socket_ = *socket;
    port_ = address_of_listening_socket(socket_).ip->port;
  }
  ~ListenerWatchTest() override { close_listening_socket(socket_); }

  std::vector<ListenerWatch::Own> own() const {
    return {{.listener = "front", .address = at("127.0.0.1", port_), .socket = socket_}};
  }
  Loop loop_;
  Socket socket_ = Socket::none;
  std::uint16_t port_ = 0;
};

TEST_F(ListenerWatchTest, OurOwnSocketsAreNobodyElse) {
  ListenerWatch watch(loop_, [this] { return own(); });
  watch.look();
  EXPECT_THAT(watch.present(), IsEmpty());
}

TEST_F(ListenerWatchTest, AnotherAddressIsNoneOfOurBusiness) {
  const auto other = open_listening_socket(at("127.0.0.2", port_));
  ASSERT_TRUE(other);
  ListenerWatch watch(loop_, [this] { return own(); });
  watch.look();
  EXPECT_THAT(watch.present(), IsEmpty());
  close_listening_socket(*other);
}

TEST_F(ListenerWatchTest, AnotherSocketOfThisProcessIsOurs) {
  // As after a reload, of which the workers have not heard yet: the socket is there, and not in the list.
  ListenerWatch watch(loop_, [this] {
    return std::vector<ListenerWatch::Own>{
        {.listener = "front", .address = at("127.0.0.1", port_), .socket = Socket::none}};
  });
  watch.look();
  EXPECT_THAT(watch.present(), IsEmpty());
}

LocalSocket listening(const char* address, bool takes_both = false) {
  LocalSocket socket;
  socket.local = {.address = *IpAddress::parse(address), .port = 80};
  socket.is_ipv6 = !socket.local.address.is_v4();
  socket.takes_both = takes_both;
  return socket;
}

std::string effect(const LocalSocket& ours, const LocalSocket& theirs, const std::string& interface = "") {
  PortOwner owner;
  owner.socket = theirs;
  owner.interface = interface;
  owner.socket.interface = interface.empty() ? 0 : 2;
  return effect_text(ours, owner);
}

TEST(SecondListenerTest, TheMoreSpecificSocketTakesTheConnections) {
  EXPECT_EQ(effect(listening("0.0.0.0"), listening("192.0.2.9")), "takes every connection to 192.0.2.9:80");
  EXPECT_EQ(effect(listening("::"), listening("2001:db8::9")), "takes every connection to [2001:db8::9]:80");
  EXPECT_EQ(effect(listening("0.0.0.0"), listening("0.0.0.0"), "eth0"),
            "takes every connection to 0.0.0.0%eth0:80");
  EXPECT_EQ(effect(listening("192.0.2.9"), listening("192.0.2.9"), "eth0"),
            "takes every connection to 192.0.2.9%eth0:80");
}

TEST(SecondListenerTest, TheSameAddressIsShared) {
  EXPECT_EQ(effect(listening("192.0.2.9"), listening("192.0.2.9")),
            "takes a part of the connections to 192.0.2.9:80");
  PortOwner owner;
  owner.socket = listening("0.0.0.0");
  owner.shares_port = true;
  EXPECT_EQ(effect_text(listening("0.0.0.0"), owner),
            "takes a part of the connections to 0.0.0.0:80 (SO_REUSEPORT)");
}

TEST(SecondListenerTest, AWiderSocketWaitsBehindOurs) {
  EXPECT_THAT(effect(listening("192.0.2.9"), listening("0.0.0.0")),
              HasSubstr("would get the connections to 192.0.2.9:80 if this one did not listen"));
  EXPECT_THAT(effect(listening("0.0.0.0"), listening("::", true)), HasSubstr("would get"));
  EXPECT_THAT(effect(listening("192.0.2.9"), listening("0.0.0.0"), "eth0"), HasSubstr("would get"));
}

}  // namespace
}  // namespace portshare
