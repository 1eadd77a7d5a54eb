#include "core/weighted_rounds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/random.h"

namespace portshare {
namespace {

using testing::ElementsAre;

std::vector<std::uint32_t> round_of(const WeightedRounds& rounds) {
  std::vector<std::uint32_t> turns(rounds.size());
  for (std::uint32_t place = 0; place < rounds.size(); ++place) turns[place] = rounds.at(place);
  return turns;
}

TEST(WeightedRounds, TheOrderIsNginxs) {
  const std::vector<std::uint32_t> weights{5, 1, 1};
  EXPECT_THAT(round_of(WeightedRounds(weights)), ElementsAre(0, 0, 1, 0, 2, 0, 0));
}

TEST(WeightedRounds, EqualWeightsAreTurnsInOrder) {
  for (const std::uint32_t weight : {1U, 7U, 1000U}) {
    const std::vector<std::uint32_t> weights(4, weight);
    EXPECT_THAT(round_of(WeightedRounds(weights)), ElementsAre(0, 1, 2, 3));
  }
}

TEST(WeightedRounds, WhatWeightsHaveInCommonDoesNotCount) {
  const std::vector<std::uint32_t> weights{20, 10};
  EXPECT_THAT(round_of(WeightedRounds(weights)), ElementsAre(0, 1, 0));
}

TEST(WeightedRounds, GoesOnWithoutEnd) {
  const std::vector<std::uint32_t> weights{2, 1};
  const WeightedRounds rounds(weights);
  for (std::uint32_t place = 0; place < 100; ++place) EXPECT_EQ(rounds.at(place), rounds.at(place + 3));
  EXPECT_LT(rounds.at(UINT32_MAX), 2U);
}

// At any moment everybody has had its share, but for a turn or two.
TEST(WeightedRounds, TurnsLieApart) {
  Random random(3);
  for (int run = 0; run < 50; ++run) {
    std::vector<std::uint32_t> weights(2 + random.below(10));
    for (std::uint32_t& weight : weights) weight = 1 + static_cast<std::uint32_t>(random.below(20));
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    const WeightedRounds rounds(weights);
    std::vector<double> turns(weights.size());
    for (std::uint32_t place = 0; place < rounds.size(); ++place) {
      turns[rounds.at(place)] += 1;
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const double due = (place + 1) * weights[i] / sum;
        ASSERT_LE(std::abs(turns[i] - due), 2.0) << "run " << run << ", place " << place;
      }
    }
    for (std::size_t i = 0; i < weights.size(); ++i) {
      EXPECT_DOUBLE_EQ(turns[i] * sum, weights[i] * static_cast<double>(rounds.size())) << "run " << run;
    }
  }
}

TEST(WeightedRounds, LongRoundsAreShortenedAndNobodyIsLeftOut) {
  std::vector<std::uint32_t> weights(500, 997);
  weights[7] = 1;
  const WeightedRounds rounds(weights);
  EXPECT_LE(rounds.size(), WeightedRounds::longest_round + weights.size());
  std::vector<std::uint32_t> turns(weights.size());
  for (std::uint32_t place = 0; place < rounds.size(); ++place) ++turns[rounds.at(place)];
  EXPECT_EQ(turns[7], 1U);
  EXPECT_EQ(turns[8], turns[499]);
  EXPECT_GT(turns[8], 30U);
}

}  // namespace
}  // namespace portshare
