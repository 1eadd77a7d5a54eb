#include "dispatch/config_addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace portshare {
namespace {

using testing::HasSubstr;

TEST(ConfigAddresses, BindAddresses) {
  EXPECT_EQ(parse_bind_address("127.0.0.1:80")->addresses.at(0).to_string(), "127.0.0.1:80");
  EXPECT_EQ(parse_bind_address("[::1]:80")->addresses.at(0).to_string(), "[::1]:80");
  EXPECT_EQ(parse_bind_address("unix:/run/a.sock")->addresses.at(0).to_string(), "unix:/run/a.sock");
  const auto both = parse_bind_address("*:65535");
  ASSERT_EQ(both->addresses.size(), 2U);
  EXPECT_EQ(both->addresses.at(0).to_string(), "0.0.0.0:65535");
  EXPECT_EQ(both->addresses.at(1).to_string(), "[::]:65535");
  for (const char* text : {"",
                           ":",
                           ":80",
                           "80",
                           "*",
                           "*:",

                           "*:65536",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:+1",
                           "127.0.0.1:000080",
                           "::1:80",
                           "[::1]",
                           "[::1]80",
                           "[127.0.0.1]:80",
                           "[]:80",
                           "localhost:80",
                           "[:80",
                           "]:80",
                           "unix:",
                           "unix:a",
                           "unix:@a",
                           "unix:/a/"}) {
    EXPECT_FALSE(parse_bind_address(text).has_value()) << text;
  }
}

TEST(ConfigAddresses, NamesOfPassedSockets) {
  const auto named = parse_bind_address("systemd:web front.socket");
  ASSERT_TRUE(named) << named.error();
  EXPECT_EQ(named->passed_socket, "web front.socket");
  EXPECT_TRUE(named->addresses.empty());
  EXPECT_TRUE(parse_bind_address("systemd:" + std::string(255, 'n')));
  for (const std::string& text :
       {std::string("systemd:"), std::string("systemd:a:b"), std::string("systemd:a\nb"),
        std::string("systemd:\xc3\xa4"), "systemd:" + std::string(256, 'n')}) {
    EXPECT_FALSE(parse_bind_address(text)) << text;
  }
}

TEST(ConfigAddresses, OnlyAListenerMayLeaveThePortToTheSystem) {
  EXPECT_EQ(parse_bind_address("127.0.0.1:0")->addresses.at(0).ip->port, 0);
  EXPECT_EQ(parse_bind_address("*:0")->addresses.size(), 2U);
  EXPECT_FALSE(parse_socket_address("127.0.0.1:0").has_value());
  EXPECT_FALSE(parse_server_address("127.0.0.1:0").has_value());
  EXPECT_FALSE(parse_server_address("localhost:0").has_value());
  EXPECT_FALSE(parse_destination("127.0.0.1:0").has_value());
}

TEST(ConfigAddresses, APathAloneIsToldHowAUnixSocketIsWritten) {
  for (const auto& refused :
       {parse_bind_address("/run/a.sock").error(), parse_server_address("/run/a.sock").error(),
        parse_socket_address("/run/a.sock").error()}) {
    EXPECT_EQ(refused, "'/run/a.sock' is a path; write a unix socket as 'unix:/run/a.sock'");
  }
}

TEST(ConfigAddresses, UnixPathsHaveALongestLength) {
  const std::string longest = "unix:/" + std::string(SocketAddress::max_path_length - 1, 'a');
  EXPECT_TRUE(parse_socket_address(longest).has_value());
  EXPECT_FALSE(parse_socket_address(longest + "a").has_value());
  EXPECT_FALSE(parse_socket_address(std::string_view("unix:/a\0b", 9)).has_value());
}

TEST(ConfigAddresses, ServerAddresses) {
  EXPECT_EQ(parse_server_address("192.0.2.1:80")->address->to_string(), "192.0.2.1:80");
  EXPECT_EQ(parse_server_address("Café_1.internal:8001")->host, "xn--caf_1-dsa.internal");
  EXPECT_EQ(parse_server_address("localhost:1")->port, 1);
  for (const char* text : {"localhost", "192.0.2.256:80", "192.0.2.1.2:80", "12345:80", "0.0.0.0:80",
                           "[::]:80", "[zz]:80", "a b:80", "*:80", "http://a:80", "a:http"}) {
    EXPECT_FALSE(parse_server_address(text).has_value()) << text;
  }
}

TEST(ConfigAddresses, Destinations) {
  EXPECT_EQ(parse_destination("192.0.2.1")->port, std::nullopt);
  EXPECT_EQ(parse_destination("192.0.2.1:80")->port, 80);
  EXPECT_EQ(parse_destination("[2001:db8::1]:80")->prefix.length, 128);
  EXPECT_EQ(parse_destination("2001:db8::/32")->prefix.to_string(), "2001:db8::/32");
  for (const char* text :
       {"", "unix:/a", "192.0.2.0/24:80", "192.0.2.0/33", "example.com", "[::1]", "192.0.2.1:0"}) {
    EXPECT_FALSE(parse_destination(text).has_value()) << text;
  }
}

TEST(ConfigAddresses, HostBitsTellBothReadings) {
  EXPECT_THAT(parse_prefix("10.1.2.3/12").error(),
              HasSubstr("'10.1.2.3' for the one address or '10.0.0.0/12'"));
  EXPECT_THAT(parse_prefix("2001:db8::1/33").error(), HasSubstr("'2001:db8::/33'"));
}

}  // namespace
}  // namespace portshare
