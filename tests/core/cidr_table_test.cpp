#include "core/cidr_table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/random.h"

namespace portshare {
namespace {

IpPrefix prefix(const std::string& text) {
  return *IpPrefix::parse(text);
}
IpAddress address(const std::string& text) {
  return *IpAddress::parse(text);
}

std::vector<std::string> visited(const CidrTable& table, std::uint64_t scope,
                                 const CidrTable::Lengths& lengths, const std::string& text) {
  std::vector<std::string> result;
  table.visit(scope, lengths, address(text), [&](const IpPrefix& found, std::uint32_t value) {
    result.push_back(found.to_string() + "=" + std::to_string(value));
    return false;
  });
  return result;
}

TEST(CidrTable, visits_the_covering_prefixes_longest_first) {
  CidrTable table(7, 1);
  CidrTable::Lengths lengths;
  std::uint32_t value = 0;
  for (const char* text :
       {"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "::/0", "2001:db8::/32", "2001:db8::1"}) {
    table.insert(5, prefix(text)) = value++;
    lengths.add(prefix(text));
  }
  using Texts = std::vector<std::string>;
  EXPECT_EQ(visited(table, 5, lengths, "10.1.2.3"),
            (Texts{"10.1.2.3=3", "10.1.0.0/16=2", "10.0.0.0/8=1", "0.0.0.0/0=0"}));
  EXPECT_EQ(visited(table, 5, lengths, "10.2.0.0"), (Texts{"10.0.0.0/8=1", "0.0.0.0/0=0"}));
  EXPECT_EQ(visited(table, 5, lengths, "2001:db8::1"), (Texts{"2001:db8::1=6", "2001:db8::/32=5", "::/0=4"}));
  EXPECT_EQ(visited(table, 5, lengths, "::1"), (Texts{"::/0=4"}));
  EXPECT_EQ(visited(table, 6, lengths, "10.1.2.3"), Texts{}) << "another scope";
  EXPECT_EQ(visited(table, 5, CidrTable::Lengths(), "10.1.2.3"), Texts{}) << "no length to try";
}

TEST(CidrTable, visit_stops_when_told) {
  CidrTable table(2, 1);
  CidrTable::Lengths lengths;
  for (const char* text : {"10.0.0.0/8", "10.1.0.0/16"}) {
    table.insert(0, prefix(text)) = 1;
    lengths.add(prefix(text));
  }
  int calls = 0;
  const auto stop = [&](const IpPrefix&, std::uint32_t) { return ++calls == 1; };
  EXPECT_TRUE(table.visit(0, lengths, address("10.1.0.1"), stop));
  EXPECT_EQ(calls, 1);
}

TEST(CidrTable, a_prefix_has_one_value) {
  CidrTable table(2, 1);
  EXPECT_EQ(table.insert(0, prefix("10.0.0.0/8")), CidrTable::no_value);
  table.insert(0, prefix("10.0.0.0/8")) = 7;
  EXPECT_EQ(table.insert(0, prefix("10.0.0.0/8")), 7U);
  EXPECT_EQ(table.find(0, prefix("10.0.0.0/8")), 7U);
  EXPECT_EQ(table.find(0, prefix("10.0.0.0/9")), CidrTable::no_value);
  EXPECT_EQ(table.find(1, prefix("10.0.0.0/8")), CidrTable::no_value);
}

TEST(CidrTable, agrees_with_a_linear_search) {
  Random random(11);
  const auto random_address = [&] {
    // Few different bits, so that prefixes and addresses meet.
    std::array<std::uint8_t, 16> bytes{};
    for (const std::size_t i : {0U, 7U, 8U, 12U, 15U}) bytes[i] = random.chance(1, 2) ? 0xff : 0x80;
    if (random.chance(1, 2)) return IpAddress::v4({bytes[0], bytes[7], bytes[8], bytes[15]});
    return IpAddress::v6(bytes);
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<IpPrefix> prefixes;
    CidrTable table(20, random.next());
    CidrTable::Lengths lengths;
    for (std::uint32_t i = 0; i < 20; ++i) {
      const IpAddress base = random_address();
      const std::size_t bits = random.below(base.is_v4() ? 33 : 129);
      auto bytes = base.bytes();
      for (std::size_t bit = base.is_v4() ? bits + 96 : bits; bit < 128; ++bit) {
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> bit % 8));
      }
      prefixes.push_back({IpAddress::v6(bytes), static_cast<std::uint8_t>(bits)});
      table.insert(9, prefixes.back()) = i;
      lengths.add(prefixes.back());
    }
    for (int i = 0; i < 50; ++i) {
      const IpAddress wanted = random_address();
      std::optional<IpPrefix> best;
      for (const IpPrefix& candidate : prefixes) {
        if (candidate.contains(wanted) && (!best || candidate.length > best->length)) best = candidate;
      }
      std::optional<IpPrefix> found;
      table.visit(9, lengths, wanted, [&](const IpPrefix& p, std::uint32_t) {
        found = p;
        return true;
      });
      ASSERT_EQ(found, best) << wanted.to_string();
    }
  }
}

}  // namespace
}  // namespace portshare
