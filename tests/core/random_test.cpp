#include "core/random.h"

#include <gtest/gtest.h>

#include <array>

namespace portshare {
namespace {

TEST(Random, the_seed_decides) {
  Random one(7);
  Random same(7);
  Random other(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const auto value = one.next();
    EXPECT_EQ(value, same.next());
    differs = differs || value != other.next();
  }
  EXPECT_TRUE(differs);
}

// Reference values: splitmix64 as published, seeded with 0, gives 0xe220a8397b1dcdaf first.
TEST(Random, mix_is_the_finisher_of_splitmix64) {
  EXPECT_EQ(mix_bits(0x9e3779b97f4a7c15U), 0xe220a8397b1dcdafU);
  EXPECT_EQ(mix_bits(0), 0U);
}

TEST(Random, below_reaches_every_value_about_equally_often) {
  Random random(1);
  std::array<int, 7> hits{};
  constexpr int draws = 70'000;
  for (int i = 0; i < draws; ++i) ++hits[random.below(hits.size())];
  for (const int count : hits) {
    EXPECT_GT(count, 9'500);
    EXPECT_LT(count, 10'500);
  }
  EXPECT_EQ(random.below(1), 0U);
}

TEST(Random, chance_keeps_its_odds) {
  Random random(2);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) hits += random.chance(1, 4) ? 1 : 0;
  EXPECT_GT(hits, 2'300);
  EXPECT_LT(hits, 2'700);
  EXPECT_FALSE(random.chance(0, 5));
  EXPECT_TRUE(random.chance(5, 5));
}

}  // namespace
}  // namespace portshare
