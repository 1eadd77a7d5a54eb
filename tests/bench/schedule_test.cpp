#include "bench/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace portshare {
namespace {

constexpr nanoseconds start{1'000'000'000'000};

std::vector<double> seconds_of(Schedule schedule, std::size_t count) {
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i, schedule.advance())
    times.push_back(as_seconds(schedule.next() - start));
  return times;
}

TEST(Schedule, UniformArrivalsHaveEqualDistances) {
  const auto times = seconds_of(Schedule(1000, Arrivals::uniform, 0, 1, 1, start), 5000);
  for (std::size_t i = 0; i < times.size(); ++i) EXPECT_NEAR(times[i], static_cast<double>(i) / 1000, 1e-8);
}

TEST(Schedule, ThreadsShareTheRateAndTakeTurns) {
  std::vector<double> all;
  for (unsigned thread = 0; thread < 4; ++thread) {
    const auto times = seconds_of(Schedule(1000, Arrivals::uniform, thread, 4, 1, start), 250);
    all.insert(all.end(), times.begin(), times.end());
  }
  std::ranges::sort(all);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(all[i], static_cast<double>(i) / 1000, 1e-8);
}

TEST(Schedule, PoissonArrivalsHaveTheRateAndItsSpread) {
  constexpr std::size_t count = 100'000;
  const auto times = seconds_of(Schedule(1000, Arrivals::poisson, 0, 1, 42, start), count);
  EXPECT_TRUE(std::ranges::is_sorted(times));
  EXPECT_NEAR(times.back(), count / 1000.0, 1.0);
  // Of exponentially distributed distances the share e^-1 is over the mean.
  std::size_t over_mean = 0;
  for (std::size_t i = 1; i < count; ++i) over_mean += times[i] - times[i - 1] > 0.001 ? 1U : 0U;
  EXPECT_NEAR(static_cast<double>(over_mean) / count, std::exp(-1.0), 0.01);
}

TEST(Schedule, TheSeedAndTheThreadDecide) {
  const auto times = seconds_of(Schedule(10, Arrivals::poisson, 0, 2, 3, start), 100);
  EXPECT_EQ(seconds_of(Schedule(10, Arrivals::poisson, 0, 2, 3, start), 100), times);
  EXPECT_NE(seconds_of(Schedule(10, Arrivals::poisson, 1, 2, 3, start), 100), times);
  EXPECT_NE(seconds_of(Schedule(10, Arrivals::poisson, 0, 2, 4, start), 100), times);
}

}  // namespace
}  // namespace portshare
