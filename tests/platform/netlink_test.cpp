#include "platform/netlink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <string>
#include <utility>
#include <vector>

namespace portshare {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string text_of(NetlinkBytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::pair<int, std::string>> messages_of(NetlinkBytes datagram) {
  std::vector<std::pair<int, std::string>> found;
  each_netlink_message(datagram, [&](const NetlinkMessage& message) {
    found.emplace_back(message.type, text_of(message.payload));
    return true;
  });
  return found;
}

TEST(Netlink, ARequestIsAMessageWithAttributes) {
  NetlinkRequest request(77, NLM_F_DUMP);
  request.append(std::uint32_t{0x64636261});
  request.append_attribute(5, bytes_of("x"));
  request.append_attribute(6 | NLA_F_NESTED, bytes_of("four"));
  std::vector<std::pair<int, std::string>> attributes;
  each_netlink_message(request.bytes(), [&](const NetlinkMessage& message) {
    EXPECT_EQ(message.type, 77);
    EXPECT_EQ(message.structure<std::uint32_t>(), 0x64636261U);
    each_netlink_attribute(netlink_attributes(message, 4), [&](std::uint16_t type, NetlinkBytes value) {
      attributes.emplace_back(type, text_of(value));
    });
    return true;
  });
  EXPECT_THAT(attributes, ElementsAre(Pair(5, "x"), Pair(6, "four")));
}

TEST(Netlink, MessagesThatAreCutShortEndTheList) {
  NetlinkRequest first(20, 0);
  first.append(std::uint32_t{0x64636261});
  NetlinkRequest second(21, 0);
  second.append(std::uint32_t{0x68676665});
  std::vector<std::byte> datagram(first.bytes().begin(), first.bytes().end());
  datagram.insert(datagram.end(), second.bytes().begin(), second.bytes().end());
  EXPECT_THAT(messages_of(datagram), ElementsAre(Pair(20, "abcd"), Pair(21, "efgh")));
  for (std::size_t length = 0; length < datagram.size(); ++length) {
    const auto found = messages_of(std::span(datagram).first(length));
    EXPECT_EQ(found.size(), length < first.bytes().size() ? 0 : 1) << length;
  }
}

TEST(Netlink, LengthsThatCannotBeEndTheList) {
  NetlinkRequest request(20, 0);
  std::vector<std::byte> datagram(request.bytes().begin(), request.bytes().end());
  for (const int length : {0, 1, 15, 17, 255}) {
    datagram[0] = static_cast<std::byte>(length);
    EXPECT_THAT(messages_of(datagram), IsEmpty()) << length;
  }
  for (const int length : {0, 3, 6, 127}) {
    const auto attribute = bytes_of(std::string{static_cast<char>(length), 0, 1, 0, 'v'});
    each_netlink_attribute(attribute, [&](std::uint16_t, NetlinkBytes) { ADD_FAILURE() << length; });
  }
}

TEST(Netlink, AListOfTheKernelIsComplete) {
  auto netlink = NetlinkSocket::open(NETLINK_ROUTE);
  ASSERT_TRUE(netlink);
  for (int round = 0; round < 2; ++round) {  // nothing of the first is left for the second
    NetlinkRequest request(RTM_GETLINK, NLM_F_DUMP);
    request.append(ifinfomsg{});
    int links = 0;
    const auto listed = netlink->list(request, [&](const NetlinkMessage& message) {
      links += message.type == RTM_NEWLINK && message.structure<ifinfomsg>() ? 1 : 0;
    });
    EXPECT_TRUE(listed);
    EXPECT_GE(links, 1);
  }
}

TEST(Netlink, AnErrorOfTheKernelIsReported) {
  auto netlink = NetlinkSocket::open(NETLINK_SOCK_DIAG);
  ASSERT_TRUE(netlink);
  NetlinkRequest request(20, NLM_F_DUMP);  // without the fixed part
  const auto listed = netlink->list(request, [](const NetlinkMessage&) {});
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error(), EINVAL);
}

}  // namespace
}  // namespace portshare
