#include "bench/first_bytes.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "bench/first_flight_end.h"
#include "core/http_head.h"
#include "core/tls_hello.h"

namespace portshare {
namespace {

using Kind = FirstBytesSettings::Kind;

std::vector<std::uint8_t> compose(const FirstBytes& first, std::uint64_t number, Random& random) {
  std::vector<std::uint8_t> room(first.most_bytes());
  const ByteView bytes = first.compose(number, random, room);
  return {bytes.begin(), bytes.end()};
}

std::string name_of_hello(const std::vector<std::uint8_t>& bytes) {
  TlsHelloReader reader;
  ClientHello hello;
  EXPECT_EQ(reader.read(bytes, hello), Verdict::recognised);
  return std::string(hello.server_name);
}

TEST(FirstBytes, TakesNamesInTurn) {
  const FirstBytes first(
      {.kind = Kind::tls, .names = {"a.example", "b.example", "c.example"}, .names_in_turn = true});
  Random random(1);
  for (std::uint64_t number = 0; number < 9; ++number)
    EXPECT_EQ(name_of_hello(compose(first, number, random)),
              std::string(1, static_cast<char>('a' + number % 3)) + ".example");
}

TEST(FirstBytes, DrawsNamesEvenlyAndRepeatably) {
  const FirstBytes first({.kind = Kind::tls, .names = {"a.example", "b.example", "c.example", "d.example"}});
  std::map<std::string, int> drawn;
  std::vector<std::string> sequence;
  Random random(5);
  for (int i = 0; i < 4000; ++i) {
    const std::string name = name_of_hello(compose(first, 0, random));
    ++drawn[name];
    sequence.push_back(name);
  }
  ASSERT_EQ(drawn.size(), 4U);
  for (const auto& [name, count] : drawn) EXPECT_NEAR(count, 1000, 150) << name;
  Random same(5);
  for (const std::string& name : sequence) ASSERT_EQ(name_of_hello(compose(first, 0, same)), name);
}

TEST(FirstBytes, AsksInHttp) {
  const FirstBytes first({.kind = Kind::http, .path = "/path?q", .names = {"www.example.com"}});
  Random random(1);
  const auto bytes = compose(first, 0, random);
  HttpHeadReader reader;
  HttpHead head;
  ASSERT_EQ(reader.read(bytes, head), Verdict::recognised);
  EXPECT_EQ(head.host.view(), "www.example.com");
  EXPECT_TRUE(as_text(bytes).starts_with("GET /path?q HTTP/1.1\r\n"));
  EXPECT_TRUE(as_text(bytes).ends_with("\r\n\r\n"));
}

TEST(FirstBytes, MayBeAnythingOrNothing) {
  Random random(1);
  EXPECT_TRUE(compose(FirstBytes({}), 0, random).empty());
  const std::vector<std::uint8_t> raw{0, 1, 255};
  EXPECT_EQ(compose(FirstBytes({.kind = Kind::raw, .raw = raw}), 0, random), raw);
}

TEST(FirstBytes, SayWhatTheyAre) {
  EXPECT_EQ(FirstBytes({.kind = Kind::tls, .names = {"a.example", "b.example"}}).describe(),
            "TLS ClientHello of 517 bytes, 2 names");
  EXPECT_EQ(FirstBytes({.kind = Kind::tls, .hello_style = HelloStyle::post_quantum}).describe(),
            "TLS ClientHello of 1800 bytes, no name");
  EXPECT_EQ(FirstBytes({.kind = Kind::http}).describe(), "HTTP GET, localhost");
  EXPECT_EQ(FirstBytes({.kind = Kind::raw, .raw = {1, 2}}).describe(), "2 raw bytes");
}

/// Where the end is found when the bytes come in pieces of `size`; 0: nowhere.
std::size_t end_of(ByteView bytes, std::size_t size) {
  FirstFlightEnd end;
  for (std::size_t position = 0; position < bytes.size(); position += size) {
    const ByteView piece = bytes.subspan(position, std::min(size, bytes.size() - position));
    if (end.take(piece)) return position + piece.size();
  }
  return 0;
}

TEST(FirstFlightEnd, IsFoundHoweverTheBytesAreCut) {
  Random random(1);
  const auto hello = compose(FirstBytes({.kind = Kind::tls, .names = {"a.example"}}), 0, random);
  const auto request = compose(FirstBytes({.kind = Kind::http, .names = {"a.example"}}), 0, random);
  for (const auto& bytes : {hello, request}) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{7}, bytes.size()})
      EXPECT_EQ(end_of(bytes, size), bytes.size()) << size;
    EXPECT_EQ(end_of(ByteView(bytes).first(bytes.size() - 1), 1), 0U);
  }
}

TEST(FirstFlightEnd, OfUnknownBytesIsTheFirst) {
  EXPECT_EQ(end_of(as_bytes("x"), 1), 1U);
}

}  // namespace
}  // namespace portshare
