#include "core/proxy_header.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/core/proxy_header_vectors.h"
#include "tests/core/split_reading.h"

namespace portshare::test {
namespace {

using ProxyReading = SplitReading<ProxyAnswer>;

ProxyAnswer read_text(std::string_view text) {
  return read_whole<ProxyAnswer>(as_bytes(text));
}

std::string shown(const std::string& bytes) {
  return ::testing::PrintToString(bytes.substr(0, 200));
}

TEST(ProxyHeader, AnswersEveryVector) {
  for (const ProxyVector& vector : proxy_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    EXPECT_EQ(read_text(vector.bytes), vector.answer);
  }
}

TEST(ProxyHeader, NeedsMoreAtEveryCutOfALegalHeader) {
  for (const ProxyVector& vector : proxy_vectors()) {
    if (vector.answer.verdict != Verdict::recognised) continue;
    SCOPED_TRACE(shown(vector.bytes));
    for (std::size_t length = 0; length < vector.answer.length; ++length) {
      ASSERT_EQ(read_text(vector.bytes.substr(0, length)).verdict, Verdict::need_more) << "at " << length;
    }
    for (std::size_t length = vector.answer.length; length < vector.bytes.size(); ++length) {
      ASSERT_EQ(read_text(vector.bytes.substr(0, length)), vector.answer) << "at " << length;
    }
  }
}

TEST(ProxyHeader, AnyAnswerIsFinal) {
  for (const ProxyVector& vector : proxy_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    Verdict before = Verdict::need_more;
    for (std::size_t length = 0; length <= vector.bytes.size(); ++length) {
      const Verdict now = read_text(vector.bytes.substr(0, length)).verdict;
      ASSERT_TRUE(before == Verdict::need_more || now == before) << "at " << length;
      before = now;
    }
  }
}

TEST(ProxyHeader, ClaimsTheConnectionFromItsPrefixOn) {
  for (const ProxyVector& vector : proxy_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    for (std::size_t length = 0; length <= vector.bytes.size(); ++length) {
      const std::string_view text = std::string_view(vector.bytes).substr(0, length);
      const bool begins = begins_proxy_header(as_bytes(text));
      const std::size_t claimed_from = text.starts_with('P') ? 6 : 12;
      EXPECT_EQ(begins, read_text(text).verdict != Verdict::not_mine && length >= claimed_from);
    }
  }
}

TEST(ProxyHeader, RefusesAnEndlessLineAfter107Bytes) {
  const std::string line = "PROXY UNKNOWN " + std::string(200, 'x');
  EXPECT_EQ(read_text(line.substr(0, 106)).verdict, Verdict::need_more);
  EXPECT_EQ(read_text(line.substr(0, 107)).verdict, Verdict::malformed);
}

std::optional<IpEndpoint> endpoint(std::string_view text) {
  return IpEndpoint::parse(text);
}

std::string v1(const std::optional<IpEndpoint>& source, const std::optional<IpEndpoint>& destination) {
  std::array<std::uint8_t, max_written_proxy_header_length> buffer{};
  return std::string(as_text(write_proxy_header_v1(source, destination, buffer)));
}

std::string v2(const std::optional<IpEndpoint>& source, const std::optional<IpEndpoint>& destination,
               std::string_view authority = {}, std::string_view alpn = {}) {
  std::array<std::uint8_t, max_written_proxy_header_length> buffer{};
  return std::string(as_text(write_proxy_header_v2(source, destination, authority, alpn, buffer)));
}

TEST(ProxyHeader, WritesTheLinesOfVersion1) {
  EXPECT_EQ(v1(endpoint("192.168.0.1:56324"), endpoint("192.168.0.11:443")),
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
  EXPECT_EQ(v1(endpoint("[::ffff:192.0.2.1]:1"), endpoint("192.0.2.2:0")),
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 0\r\n");
  EXPECT_EQ(v1(endpoint("[2001:db8::1]:65535"), endpoint("[2001:DB8:0::2]:443")),
            "PROXY TCP6 2001:db8::1 2001:db8::2 65535 443\r\n");
  EXPECT_EQ(v1(endpoint("192.0.2.1:1"), endpoint("[2001:db8::2]:443")),
            "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 443\r\n");
  EXPECT_EQ(v1(endpoint("[2001:db8::2]:443"), endpoint("192.0.2.1:1")),
            "PROXY TCP6 2001:db8::2 ::ffff:192.0.2.1 443 1\r\n");
  for (const auto& known : {endpoint("192.0.2.1:1"), std::optional<IpEndpoint>()}) {
    EXPECT_EQ(v1(known, std::nullopt), "PROXY UNKNOWN\r\n");
    EXPECT_EQ(v1(std::nullopt, known), "PROXY UNKNOWN\r\n");
  }
}

TEST(ProxyHeader, WritesTheHeadersOfVersion2) {
  const auto source = endpoint("192.0.2.1:4660");
  const auto destination = endpoint("198.51.100.2:443");
  EXPECT_EQ(v2(source, destination), version_2(0x21, 0x11, ipv4_block()));
  EXPECT_EQ(
      v2(source, destination, "www.example.com", "h2"),
      version_2(0x21, 0x11,
                ipv4_block() + type_length_value(0x02, "www.example.com") + type_length_value(0x01, "h2")));
  EXPECT_EQ(v2(source, destination, "", "h2"),
            version_2(0x21, 0x11, ipv4_block() + type_length_value(0x01, "h2")));
  EXPECT_EQ(v2(endpoint("[2001:db8::1]:4660"), endpoint("[2001:db8::2]:443")),
            version_2(0x21, 0x21, ipv6_block()));
  EXPECT_EQ(
      v2(source, endpoint("[2001:db8::2]:443")),
      version_2(0x21, 0x21,
                std::string(10, '\0') + "\xff\xff" + ipv4_block().substr(0, 4) + ipv6_block().substr(16)));
  for (const auto& known : {source, std::optional<IpEndpoint>()}) {
    EXPECT_EQ(v2(known, std::nullopt, "a.example", "h2"), version_2(0x20, 0x00, ""));
    EXPECT_EQ(v2(std::nullopt, known), version_2(0x20, 0x00, ""));
  }
}

TEST(ProxyHeader, ReadsWhatItWrites) {
  const std::vector<std::optional<IpEndpoint>> endpoints{
      endpoint("192.0.2.1:1"),
      endpoint("[::ffff:198.51.100.255]:65535"),
      endpoint("[2001:db8::1]:443"),
      endpoint("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
      endpoint("[::]:0"),
      std::nullopt};
  const std::string longest(255, 'a');
  for (const auto& source : endpoints) {
    for (const auto& destination : endpoints) {
      const bool is_known = source && destination;
      const std::string source_text = is_known ? source->to_string() : "";
      const std::string destination_text = is_known ? destination->to_string() : "";

      const ProxyAnswer line = read_text(v1(source, destination));
      EXPECT_EQ(line.verdict, Verdict::recognised);
      EXPECT_EQ(line.source, source_text);
      EXPECT_EQ(line.destination, destination_text);

      const ProxyAnswer header = read_text(v2(source, destination, longest, longest));
      EXPECT_EQ(header.verdict, Verdict::recognised);
      EXPECT_EQ(header.source, source_text);
      EXPECT_EQ(header.destination, destination_text);
      EXPECT_EQ(header.authority, is_known ? longest : "");
      EXPECT_EQ(header.alpn, is_known ? longest : "");
      EXPECT_EQ(header.command, is_known ? ProxyHeader::Command::proxy : ProxyHeader::Command::local);
    }
  }
}

}  // namespace
}  // namespace portshare::test
