#include "core/http_forwarded.h"

#include <gtest/gtest.h>

#include <array>

namespace portshare {
namespace {

std::string lines_for(const std::optional<IpAddress>& client) {
  std::array<char, max_forwarded_length> buffer{};
  const std::string_view lines = write_forwarded(client, buffer);
  EXPECT_EQ(lines.data(), buffer.data());
  return std::string(lines);
}

TEST(HttpForwarded, NamesAnIpv4Client) {
  EXPECT_EQ(lines_for(IpAddress::parse("192.0.2.1")),
            "X-Forwarded-For: 192.0.2.1\r\n"
            "X-Forwarded-Proto: http\r\n"
            "Forwarded: for=192.0.2.1;proto=http\r\n");
}

TEST(HttpForwarded, QuotesAnIpv6ClientInBrackets) {
  EXPECT_EQ(lines_for(IpAddress::parse("2001:db8::1")),
            "X-Forwarded-For: 2001:db8::1\r\n"
            "X-Forwarded-Proto: http\r\n"
            "Forwarded: for=\"[2001:db8::1]\";proto=http\r\n");
}

TEST(HttpForwarded, TakesAMappedAddressForTheIpv4AddressThatItIs) {
  EXPECT_EQ(lines_for(IpAddress::parse("::ffff:192.0.2.1")), lines_for(IpAddress::parse("192.0.2.1")));
}

TEST(HttpForwarded, HasRoomForTheLongestAddress) {
  const std::string longest = "1111:2222:3333:4444:5555:6666:7777:8888";
  ASSERT_EQ(longest.size(), IpAddress::max_text_length);
  EXPECT_EQ(lines_for(IpAddress::parse(longest)), "X-Forwarded-For: " + longest +
                                                      "\r\nX-Forwarded-Proto: http\r\nForwarded: for=\"[" +
                                                      longest + "]\";proto=http\r\n");
}

TEST(HttpForwarded, SaysThatAClientHasNoAddress) {
  EXPECT_EQ(lines_for(std::nullopt),
            "X-Forwarded-Proto: http\r\n"
            "Forwarded: for=unknown;proto=http\r\n");
}

TEST(HttpForwarded, SaysTheSameInTheFieldsOfHttp2) {
  const auto fields_for = [](const std::optional<IpAddress>& client) {
    const HeaderFields fields = forwarded_fields(client);
    std::string text;
    for (std::size_t i = 0; i < fields.count(); ++i) {
      text.append(fields[i].name).append("|").append(fields[i].value).append("\n");
    }
    return text;
  };
  EXPECT_EQ(
      fields_for(IpAddress::parse("2001:db8::1")),
      "x-forwarded-for|2001:db8::1\nx-forwarded-proto|http\nforwarded|for=\"[2001:db8::1]\";proto=http\n");
  EXPECT_EQ(fields_for(std::nullopt), "x-forwarded-proto|http\nforwarded|for=unknown;proto=http\n");
}

}  // namespace
}  // namespace portshare
