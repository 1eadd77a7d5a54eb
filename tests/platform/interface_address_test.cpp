#include "platform/interface_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>

namespace portshare {
namespace {

using Octets = std::array<std::uint8_t, 4>;
constexpr std::array<std::uint8_t, 16> v6{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

class Message {
 public:
  explicit Message(std::uint8_t family, std::uint8_t flags = 0) : request_(RTM_NEWADDR, 0) {
    ifaddrmsg fixed{};
    fixed.ifa_family = family;
    fixed.ifa_flags = flags;
    fixed.ifa_index = 7;
    request_.append(fixed);
  }
  template <typename Value>
  Message& with(std::uint16_t type, const Value& value) {
    request_.append_attribute(type, std::as_bytes(std::span(&value, 1)));
    return *this;
  }
  std::optional<InterfaceAddress> read() {
    std::optional<InterfaceAddress> result;
    each_netlink_message(request_.bytes(), [&](const NetlinkMessage& message) {
      result = read_interface_address(message);
      return true;
    });
    return result;
  }

 private:
  NetlinkRequest request_;
};

TEST(InterfaceAddress, IsTheLocalOneOfAPointToPointLink) {
  const auto read =
      Message(AF_INET).with(IFA_ADDRESS, Octets{192, 0, 2, 2}).with(IFA_LOCAL, Octets{192, 0, 2, 1}).read();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->address.to_string(), "192.0.2.1");
  EXPECT_EQ(read->interface, 7U);
  EXPECT_FALSE(read->is_tentative);
  EXPECT_EQ(Message(AF_INET6).with(IFA_ADDRESS, v6).read()->address.to_string(), "2001:db8::1");
}

TEST(InterfaceAddress, CannotBeUsedWhileItIsChecked) {
  const auto is_tentative = [](std::uint32_t flags) {
    return Message(AF_INET6).with(IFA_ADDRESS, v6).with(IFA_FLAGS, flags).read()->is_tentative;
  };
  EXPECT_FALSE(is_tentative(0));
  EXPECT_TRUE(is_tentative(IFA_F_TENTATIVE));
  EXPECT_FALSE(is_tentative(IFA_F_TENTATIVE | IFA_F_OPTIMISTIC));
  EXPECT_TRUE(is_tentative(IFA_F_DADFAILED));
  EXPECT_FALSE(is_tentative(IFA_F_PERMANENT | IFA_F_MANAGETEMPADDR));
  EXPECT_TRUE(Message(AF_INET6, IFA_F_TENTATIVE).with(IFA_ADDRESS, v6).read()->is_tentative);
}

TEST(InterfaceAddress, WhatIsCutShortIsNone) {
  EXPECT_FALSE(Message(AF_INET).read());
  EXPECT_FALSE(Message(AF_INET6).with(IFA_ADDRESS, Octets{1, 2, 3, 4}).read());
  EXPECT_FALSE(Message(AF_UNIX).with(IFA_ADDRESS, Octets{1, 2, 3, 4}).read());
}

TEST(InterfaceAddress, LinkLocal) {
  for (const char* text : {"fe80::1", "febf:ffff::1"})
    EXPECT_TRUE(is_link_local(*IpAddress::parse(text))) << text;
  for (const char* text : {"fec0::1", "fe7f::1", "2001:db8::1", "::1", "169.254.1.1"}) {
    EXPECT_FALSE(is_link_local(*IpAddress::parse(text))) << text;
  }
}

TEST(InterfaceAddress, OfThisHost) {
  const auto found = list_interface_addresses();
  ASSERT_TRUE(found) << found.error();
  EXPECT_THAT(*found, testing::Contains(InterfaceAddress{.address = *IpAddress::parse("127.0.0.1"),
                                                         .interface = ::if_nametoindex("lo"),
                                                         .is_tentative = false}));
}

}  // namespace
}  // namespace portshare
