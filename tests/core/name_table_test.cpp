#include "core/name_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "core/random.h"

namespace portshare {
namespace {

using Kind = NameTable::Kind;

std::string random_name(Random& random) {
  // Labels of every length around the 8 bytes that are hashed at once.
  std::string name;
  for (std::uint64_t labels = 1 + random.below(6); labels > 0; --labels) {
    for (std::uint64_t length = 1 + random.below(20); length > 0; --length) {
      name += static_cast<char>('a' + random.below(2));
    }
    if (labels > 1) name += '.';
  }
  return name;
}

TEST(HashedName, suffixes_begin_at_labels) {
  const HashedName name("www.Internal-1.example.com", 1);
  ASSERT_EQ(name.label_count(), 4U);
  EXPECT_EQ(name.suffix(1).text, "com");
  EXPECT_EQ(name.suffix(2).text, "example.com");
  EXPECT_EQ(name.suffix(3).text, "Internal-1.example.com");
  EXPECT_EQ(name.whole().text, "www.Internal-1.example.com");
}

TEST(HashedName, a_suffix_hashes_like_the_name_alone) {
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = random_name(random);
    const HashedName name(text, 42);
    for (std::size_t labels = 1; labels <= name.label_count(); ++labels) {
      const auto suffix = name.suffix(labels);
      const std::string copy(suffix.text);  // so that a read beyond its ends is seen
      ASSERT_EQ(HashedName(copy, 42).whole().hash, suffix.hash) << text;
    }
  }
}

TEST(HashedName, different_names_have_different_hashes) {
  Random random(4);
  std::set<std::string> names = {"ab", "a.b", "x.12345678", "x12345678", "12345678", "12345678.12345678"};
  while (names.size() < 5000) names.insert(random_name(random));
  std::set<std::uint64_t> hashes;
  for (const std::string& name : names) hashes.insert(HashedName(name, 42).whole().hash);
  EXPECT_EQ(hashes.size(), names.size());
  EXPECT_NE(HashedName("example.com", 1).whole().hash, HashedName("example.com", 2).whole().hash);
}

TEST(HashedName, the_longest_names) {
  const std::string one_label(255, 'a');
  EXPECT_EQ(HashedName(one_label, 0).label_count(), 1U);
  std::string many = "a";
  while (many.size() < 255) many += ".a";
  EXPECT_EQ(HashedName(many, 0).label_count(), 128U);
  EXPECT_EQ(HashedName(std::string(255, '.'), 0).label_count(), 256U) << "not a name, and yet no harm";
}

TEST(NameTable, scope_and_kind_are_part_of_the_key) {
  NameTable table(3, 1);
  table.insert(1, Kind::exact, "example.com") = 10;
  table.insert(1, Kind::wildcard, "example.com") = 11;
  table.insert(2, Kind::exact, "example.com") = 12;
  const auto find = [&](std::uint32_t scope, Kind kind, std::string_view text) {
    return table.find(scope, kind, HashedName(text, table.seed()).whole());
  };
  EXPECT_EQ(find(1, Kind::exact, "example.com"), 10U);
  EXPECT_EQ(find(1, Kind::wildcard, "example.com"), 11U);
  EXPECT_EQ(find(2, Kind::exact, "example.com"), 12U);
  EXPECT_EQ(find(2, Kind::wildcard, "example.com"), NameTable::no_value);
  EXPECT_EQ(find(1, Kind::exact, "example.co"), NameTable::no_value);
  EXPECT_EQ(find(1, Kind::exact, "xample.com"), NameTable::no_value);
  EXPECT_EQ(table.insert(1, Kind::exact, "example.com"), 10U);
}

TEST(NameTable, finds_all_that_is_in_it_and_nothing_else) {
  Random random(5);
  for (int round = 0; round < 20; ++round) {
    std::set<std::string> names;
    while (names.size() < 500) names.insert(random_name(random));
    NameTable table(names.size(), random.next());
    std::uint32_t value = 0;
    for (const std::string& name : names) table.insert(0, Kind::exact, name) = value++;
    value = 0;
    for (const std::string& name : names) {
      ASSERT_EQ(table.find(0, Kind::exact, HashedName(name, table.seed()).whole()), value++);
    }
    for (int i = 0; i < 500; ++i) {
      const std::string other = random_name(random);
      const bool found =
          table.find(0, Kind::exact, HashedName(other, table.seed()).whole()) != NameTable::no_value;
      ASSERT_EQ(found, names.contains(other)) << other;
    }
  }
}

TEST(NameTable, names_of_every_length_that_differ_in_one_byte) {
  std::vector<std::string> names;
  for (std::size_t length = 1; length <= 255; ++length) {
    for (const std::size_t other : {std::size_t{0}, length / 2, length - 1}) {
      std::string name(length, 'a');
      names.push_back(name);
      name[other] = 'b';
      names.push_back(name);
    }
  }
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  NameTable table(names.size(), 6);
  std::uint32_t value = 0;
  for (const std::string& name : names) table.insert(0, Kind::exact, name) = value++;
  value = 0;
  for (const std::string& name : names) {
    ASSERT_EQ(table.find(0, Kind::exact, HashedName(name, table.seed()).whole()), value++) << name;
    std::string other = name;
    other[name.size() / 3] = 'c';
    ASSERT_EQ(table.find(0, Kind::exact, HashedName(other, table.seed()).whole()), NameTable::no_value);
  }
}

TEST(NameTable, visits_every_value_once) {
  Random random(7);
  std::set<std::string> names;
  while (names.size() < 300) names.insert(random_name(random));
  NameTable table(400, 8);
  std::uint32_t value = 0;
  for (const std::string& name : names) table.insert(3, Kind::wildcard, name) = value++;
  std::set<std::uint32_t> visited;
  table.for_each_value([&](std::uint32_t& each) { EXPECT_TRUE(visited.insert(each).second); });
  EXPECT_EQ(visited.size(), names.size());
  EXPECT_EQ(*visited.rbegin(), value - 1);
}

TEST(NameTable, an_empty_table_finds_nothing) {
  const NameTable table(0, 1);
  EXPECT_EQ(table.find(0, Kind::exact, HashedName("a", 1).whole()), NameTable::no_value);
}

TEST(NameTable, depths) {
  NameTable::Depths depths;
  EXPECT_EQ(depths.next_below(300), 0U) << "none";
  depths.add("com");
  depths.add("b.example.com");
  EXPECT_EQ(depths.next_below(1), 0U);
  EXPECT_EQ(depths.next_below(2), 1U);
  EXPECT_EQ(depths.next_below(3), 1U);
  EXPECT_EQ(depths.next_below(4), 3U);
  EXPECT_EQ(depths.next_below(64), 3U);
  EXPECT_EQ(depths.next_below(100), 3U);
  std::string deep = "a";
  for (int i = 1; i < 100; ++i) deep += ".a";
  depths.add(deep);
  EXPECT_EQ(depths.next_below(102), 101U) << "from 64 on, every depth counts";
  EXPECT_EQ(depths.next_below(65), 64U);
  EXPECT_EQ(depths.next_below(64), 3U);
}

}  // namespace
}  // namespace portshare
