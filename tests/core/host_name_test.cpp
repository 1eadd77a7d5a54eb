#include "core/host_name.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace portshare {
namespace {

using Error = HostName::Error;

struct Good {
  std::string text;
  std::string name;
  std::optional<std::uint16_t> port = std::nullopt;
  bool is_address = false;
};

struct Bad {
  std::string text;
  Error error;
};

void expect_good(const std::vector<Good>& cases, std::expected<HostName, Error> (*parse)(std::string_view)) {
  for (const Good& c : cases) {
    const auto name = parse(c.text);
    ASSERT_TRUE(name) << c.text << " error " << static_cast<int>(name.error());
    EXPECT_EQ(name->view(), c.name) << c.text;
    EXPECT_EQ(name->port(), c.port) << c.text;
    EXPECT_EQ(name->is_address(), c.is_address) << c.text;
  }
}

void expect_bad(const std::vector<Bad>& cases, std::expected<HostName, Error> (*parse)(std::string_view)) {
  for (const Bad& c : cases) {
    const auto name = parse(c.text);
    ASSERT_FALSE(name) << c.text;
    EXPECT_EQ(static_cast<int>(name.error()), static_cast<int>(c.error)) << c.text;
  }
}

const std::vector<Good> good_everywhere = {
    {"example.com", "example.com"},
    {"Example.COM.", "example.com"},
    {"a", "a"},
    {"my_service-1.internal", "my_service-1.internal"},
    {"-", "-"},
    {"xn--bcher-kva.example", "xn--bcher-kva.example"},
    {"EXAMPLE.com:443", "example.com", 443},
    {"example.com.:0", "example.com", 0},
    {"example.com:65535", "example.com", 65535},
    {"example.com:00080", "example.com", 80},
    {std::string(100, 'x') + ".example", std::string(100, 'x') + ".example"},
    {"192.0.2.1", "192.0.2.1", std::nullopt, true},
    {"192.0.2.1.", "192.0.2.1", std::nullopt, true},
    {"192.0.2.1:8080", "192.0.2.1", 8080, true},
    {"1.2.3", "1.2.3"},
    {"1.2.3.256", "1.2.3.256"},
    {"[2001:DB8:0::1]", "2001:db8::1", std::nullopt, true},
    {"[2001:db8::1]:443", "2001:db8::1", 443, true},
    {"[::ffff:192.0.2.1]:80", "192.0.2.1", 80, true},
    {"[1234:1234:1234:1234:1234:1234:1234:1234]", "1234:1234:1234:1234:1234:1234:1234:1234", std::nullopt,
     true},
    {std::string(255, 'a'), std::string(255, 'a')},
};

const std::vector<Bad> bad_everywhere = {
    {"", Error::empty},
    {".", Error::empty},
    {":80", Error::empty},
    {"..", Error::bad_character},
    {"a..b", Error::bad_character},
    {".a", Error::bad_character},
    {"a..", Error::bad_character},
    {std::string("exam\0ple.com", 12), Error::bad_character},
    {"exam ple.com", Error::bad_character},
    {" example.com", Error::bad_character},
    {"example.com/", Error::bad_character},
    {"exämple.com", Error::bad_character},
    {"*.example.com", Error::bad_character},
    {"user@example.com", Error::bad_character},
    {"example.com\r", Error::bad_character},
    {"a%2e.b", Error::bad_character},
    {"a,b", Error::bad_character},
    {"example.com\x7f", Error::bad_character},
    {"example.com:65536", Error::bad_port},
    {"example.com:000080", Error::bad_port},
    {"example.com:8o", Error::bad_port},
    {"example.com: 80", Error::bad_port},
    {"[::1]:x", Error::bad_port},
    {"[", Error::bad_address},
    {"[]", Error::bad_address},
    {"[::1", Error::bad_address},
    {"[::1]80", Error::bad_address},
    {"[::1].", Error::bad_address},
    {"[192.0.2.1]", Error::bad_address},
    {"[example.com]", Error::bad_address},
    {"[fe80::1%25eth0]", Error::bad_address},
    {"[v1.x:y]", Error::bad_address},
    {std::string(256, 'a'), Error::too_long},
};

TEST(HostName, from_server_name) {
  expect_good(good_everywhere, HostName::from_server_name);
  expect_good({{"2001:DB8::1", "2001:db8::1", std::nullopt, true}, {"::", "::", std::nullopt, true}},
              HostName::from_server_name);
  expect_bad(bad_everywhere, HostName::from_server_name);
  expect_bad({{"example.com:", Error::bad_port},
              {"a:b:c", Error::bad_address},
              {"[::1]:", Error::bad_port},
              {std::string(250, 'a') + ":12345", Error::too_long},
              {std::string(255, 'a') + ".", Error::too_long}},
             HostName::from_server_name);
}

TEST(HostName, from_authority) {
  expect_good(good_everywhere, HostName::from_authority);
  expect_good({{"example.com:", "example.com"},
               {"[::1]:", "::1", std::nullopt, true},
               {std::string(255, 'a') + ":12345", std::string(255, 'a'), 12345}},
              HostName::from_authority);
  expect_bad(bad_everywhere, HostName::from_authority);
  expect_bad({{"2001:db8::1", Error::bad_port},
              {"::1", Error::empty},
              {"a:80:80", Error::bad_port},
              {":", Error::empty},
              {"user:secret@example.com", Error::bad_port},
              {std::string(256, 'a') + ":80", Error::too_long}},
             HostName::from_authority);
}

TEST(HostName, every_byte_is_accepted_or_refused_as_documented) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::string text = std::string("a") + c + "b.example";
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool legal = letter || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    EXPECT_EQ(HostName::from_server_name(text).has_value(), legal) << byte;
    EXPECT_EQ(HostName::from_authority(text).has_value(), legal) << byte;
  }
}

}  // namespace
}  // namespace portshare
