#include "platform/local_addresses.h"

#include <gtest/gtest.h>

namespace portshare {
namespace {

TEST(LocalAddresses, LoopbackIsAlwaysLocal) {
  LocalAddresses local;
  EXPECT_TRUE(local.contains(*IpAddress::parse("127.0.0.1")));
  EXPECT_TRUE(local.contains(*IpAddress::parse("127.200.3.4")));
  EXPECT_TRUE(local.contains(*IpAddress::parse("::1")));
}

TEST(LocalAddresses, WhatIsReservedForTextsIsNobodys) {
  LocalAddresses local;
  EXPECT_FALSE(local.contains(*IpAddress::parse("192.0.2.1")));
  EXPECT_FALSE(local.contains(*IpAddress::parse("2001:db8::1")));
}

TEST(LocalAddresses, EphemeralPortsAreARange) {
  const PortRange range = ephemeral_ports();
  EXPECT_GE(range.last, range.first);
  EXPECT_TRUE(range.contains(range.first));
  EXPECT_TRUE(range.contains(range.last));
  EXPECT_FALSE(range.contains(0));
}

}  // namespace
}  // namespace portshare
