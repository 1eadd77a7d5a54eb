#include "core/protocol.h"

#include <gtest/gtest.h>

namespace portshare {
namespace {

TEST(Protocol, HasANameThatFindsIt) {
  for (const Protocol protocol : all_protocols) {
    EXPECT_FALSE(to_string(protocol).empty());
    EXPECT_EQ(protocol_of(to_string(protocol)), protocol);
  }
  EXPECT_EQ(to_string(Protocol::postgresql), "postgresql");
  EXPECT_EQ(protocol_of("postgres"), std::nullopt);
  EXPECT_EQ(protocol_of("TLS"), std::nullopt);
  EXPECT_EQ(protocol_of(""), std::nullopt);
}

TEST(Protocol, ASetHoldsWhatWasPutIn) {
  ProtocolSet set;
  EXPECT_TRUE(set.empty());
  set.insert(Protocol::any);
  set.insert(Protocol::xmpp);
  set.insert(Protocol::any);
  EXPECT_FALSE(set.empty());
  EXPECT_EQ(set, (ProtocolSet{Protocol::xmpp, Protocol::any}));
  for (const Protocol protocol : all_protocols) {
    EXPECT_EQ(set.contains(protocol), protocol == Protocol::any || protocol == Protocol::xmpp);
  }
}

}  // namespace
}  // namespace portshare
