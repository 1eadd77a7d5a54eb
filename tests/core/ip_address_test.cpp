#include "core/ip_address.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace portshare {
namespace {

TEST(IpAddress, text_comes_back_in_canonical_form) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"0.0.0.0", "0.0.0.0"},
      {"192.0.2.1", "192.0.2.1"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"2001:0db8::0001", "2001:db8::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // a single zero group stays
      {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},   // also where "::" stood for it
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longest run
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // the first of two
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"1:0:0:0:0:0:0:0", "1::"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"::ffff:192.0.2.1", "192.0.2.1"},
      {"::ffff:c000:201", "192.0.2.1"},
      {"0:0:0:0:0:FFFF:192.0.2.1", "192.0.2.1"},
      {"::192.0.2.1", "::c000:201"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
      {"1::5:6:1.2.3.4", "1::5:6:102:304"},
  };
  for (const auto& [text, canonical] : cases) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), canonical) << text;
    EXPECT_EQ(IpAddress::parse(canonical), address) << text;
  }
}

TEST(IpAddress, refuses_everything_else) {
  const std::vector<std::string> cases = {
      "",
      " ",
      "1",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.4.",
      ".1.2.3.4",
      "1..2.3",
      "256.1.1.1",
      "1.2.3.1000",
      "01.2.3.4",
      "1.2.3.00",
      "+1.2.3.4",
      "0x1.2.3.4",
      "1.2.3.4 ",
      " 1.2.3.4",
      "1.2.3.a",
      ":",
      ":::",
      "1:",
      ":1",
      "1:2",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1::2::3",
      "::1::",
      "1:::2",
      "12345::",
      "g::",
      "::1%eth0",
      "[::1]",
      "::1 ",
      "::1.2.3",
      "::1.2.3.4:5",
      "::256.1.1.1",
      "1:2:3:4:5:6:7:1.2.3.4",
      "1:2:3:4:5:6:7:8::",
      "::1:2:3:4:5:6:7:8",
      "1:2:3:4::5:6:7:8",
      "1.2.3.4::",
      "1:2:3:4:5:6:7:",
      "::ffff:1.2.3.4.5",
      "192.0.2.1:80",
      std::string("1.2.3.4\0", 8),
  };
  for (const auto& text : cases) EXPECT_FALSE(IpAddress::parse(text)) << text;
}

TEST(IpAddress, kinds) {
  EXPECT_TRUE(IpAddress::parse("192.0.2.1")->is_v4());
  EXPECT_FALSE(IpAddress::parse("::192.0.2.1")->is_v4());
  EXPECT_FALSE(IpAddress::parse("::fffe:1.2.3.4")->is_v4());
  for (const char* text : {"0.0.0.0", "::", "::ffff:0.0.0.0"})
    EXPECT_TRUE(IpAddress::parse(text)->is_unspecified());
  for (const char* text : {"0.0.0.1", "::1"}) EXPECT_FALSE(IpAddress::parse(text)->is_unspecified());
  for (const char* text : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(IpAddress::parse(text)->is_loopback()) << text;
  }
  for (const char* text : {"128.0.0.1", "::2", "::", "7f00::1"}) {
    EXPECT_FALSE(IpAddress::parse(text)->is_loopback()) << text;
  }
  EXPECT_EQ(IpAddress::v4({1, 2, 3, 4}), IpAddress::parse("1.2.3.4"));
}

TEST(IpEndpoint, parses_and_writes) {
  for (const char* text : {"192.0.2.1:80", "[2001:db8::1]:80", "[::]:0", "0.0.0.0:65535"}) {
    const auto endpoint = IpEndpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
  EXPECT_EQ(IpEndpoint::parse("[::ffff:192.0.2.1]:00080")->to_string(), "192.0.2.1:80");
  for (const char* text :
       {"", ":80", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:000080", "192.0.2.1:8a",
        "192.0.2.1:-1", "192.0.2.1:+1", "::1:80", "[192.0.2.1]:80", "[::1]", "[::1]80", "[::1:80", "::1]:80",
        "[]:80", "[[::1]]:80", "192.0.2.1:80 ", "example.com:80"}) {
    EXPECT_FALSE(IpEndpoint::parse(text)) << text;
  }
}

TEST(IpPrefix, parses_and_writes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"198.51.100.0/24", "198.51.100.0/24"},
      {"0.0.0.0/0", "0.0.0.0/0"},
      {"192.0.2.1", "192.0.2.1"},
      {"192.0.2.1/32", "192.0.2.1"},
      {"2001:db8::/32", "2001:db8::/32"},
      {"::/0", "::/0"},
      {"2001:db8::1/128", "2001:db8::1"},
      {"2001:db8::1", "2001:db8::1"},
      {"10.128.0.0/9", "10.128.0.0/9"},
      {"::ffff:192.0.2.0/120", "192.0.2.0/24"},
      {"::ffff:0.0.0.0/96", "0.0.0.0/0"},
      {"::ffff:192.0.2.7", "192.0.2.7"},
      {"8000::/1", "8000::/1"},
  };
  for (const auto& [text, canonical] : cases) {
    const auto prefix = IpPrefix::parse(text);
    ASSERT_TRUE(prefix) << text;
    EXPECT_EQ(prefix->to_string(), canonical);
    EXPECT_EQ(IpPrefix::parse(canonical), prefix);
  }
}

TEST(IpPrefix, tells_host_bits_from_bad_syntax) {
  for (const char* text : {"10.0.0.1/8", "10.0.0.0/6", "2001:db8::1/127", "::1/0", "0.0.0.1/0",
                           "::ffff:10.0.0.0/90", "8000::/0"}) {
    auto error = IpPrefix::Error::syntax;
    EXPECT_FALSE(IpPrefix::parse(text, &error)) << text;
    EXPECT_EQ(error, IpPrefix::Error::host_bits_set) << text;
  }
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8/8",
                           "10.0.0/8", "::/129", "::/0000", "10.0.0.0/8 ", "example.com/8"}) {
    auto error = IpPrefix::Error::host_bits_set;
    EXPECT_FALSE(IpPrefix::parse(text, &error)) << text;
    EXPECT_EQ(error, IpPrefix::Error::syntax) << text;
    EXPECT_FALSE(IpPrefix::parse(text)) << text;
  }
}

TEST(IpPrefix, covers_its_own_family_only) {
  const auto covers = [](const char* prefix, const char* address) {
    return IpPrefix::parse(prefix)->contains(*IpAddress::parse(address));
  };
  EXPECT_TRUE(covers("198.51.100.0/24", "198.51.100.255"));
  EXPECT_FALSE(covers("198.51.100.0/24", "198.51.101.0"));
  EXPECT_TRUE(covers("10.128.0.0/9", "10.255.0.1"));
  EXPECT_FALSE(covers("10.128.0.0/9", "10.127.255.255"));
  EXPECT_TRUE(covers("0.0.0.0/0", "255.1.2.3"));
  EXPECT_FALSE(covers("0.0.0.0/0", "::1"));
  EXPECT_TRUE(covers("::/0", "2001:db8::1"));
  EXPECT_FALSE(covers("::/0", "192.0.2.1"));
  EXPECT_TRUE(covers("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(covers("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(covers("192.0.2.1", "::ffff:192.0.2.1"));
  EXPECT_FALSE(covers("192.0.2.1", "192.0.2.0"));
}

TEST(IpEndpoint, KnowsWhatNeverLeavesTheHost) {
  const auto within = [](const char* local, const char* peer) {
    return is_within_host(*IpEndpoint::parse(local), *IpEndpoint::parse(peer));
  };
  EXPECT_TRUE(within("127.0.0.1:80", "127.0.0.1:5000"));
  EXPECT_TRUE(within("127.2.0.1:80", "127.1.0.9:5000"));
  EXPECT_TRUE(within("192.0.2.1:80", "192.0.2.1:5000"));
  EXPECT_TRUE(within("[::1]:80", "[::1]:5000"));
  EXPECT_TRUE(within("[2001:db8::1]:80", "[2001:db8::1]:5000"));
  EXPECT_FALSE(within("192.0.2.1:80", "192.0.2.2:5000"));
  EXPECT_FALSE(within("[2001:db8::1]:80", "[2001:db8::2]:80"));
}

}  // namespace
}  // namespace portshare
