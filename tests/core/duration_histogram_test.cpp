#include "core/duration_histogram.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

namespace portshare {
namespace {

using std::chrono::microseconds;

/// The bucket that counts a duration, by looking at all bounds.
std::size_t bucket_of(std::uint64_t value) {
  std::size_t bucket = 0;
  while (bucket < DurationHistogram::bounds_us.size() && value > DurationHistogram::bounds_us[bucket])
    ++bucket;
  return bucket;
}

TEST(DurationHistogram, CountsEachDurationInTheBucketWithTheNextBound) {
  for (std::uint64_t bound : DurationHistogram::bounds_us) {
    for (const std::uint64_t value : {bound - 1, bound, bound + 1}) {
      DurationHistogram histogram;
      histogram.record(microseconds{value});
      EXPECT_EQ(histogram.count_in(bucket_of(value)), 1U) << value;
      EXPECT_EQ(histogram.count(), 1U);
      EXPECT_EQ(histogram.sum_us(), value);
    }
  }
}

TEST(DurationHistogram, TakesZeroNegativeAndVeryLongOnes) {
  DurationHistogram histogram;
  histogram.record(microseconds{0});
  histogram.record(microseconds{-5});
  histogram.record(microseconds{INT64_MAX / 2});
  EXPECT_EQ(histogram.count_in(0), 2U);
  EXPECT_EQ(histogram.count_in(DurationHistogram::bucket_count - 1), 1U);
}

TEST(DurationHistogram, AddsUpAndTellsTheDifference) {
  DurationHistogram first;
  first.record(microseconds{20});
  DurationHistogram second = first;
  second.record(microseconds{400});
  const DurationHistogram difference = second.since(first);
  EXPECT_EQ(difference.count(), 1U);
  EXPECT_EQ(difference.sum_us(), 400U);
  first.add(difference);
  EXPECT_EQ(first.count(), 2U);
  EXPECT_EQ(first.sum_us(), 420U);
}

TEST(DurationHistogram, EstimatesQuantilesWithinTheirBucket) {
  DurationHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), microseconds{0}) << "of nothing";
  for (int i = 0; i < 99; ++i) histogram.record(microseconds{30});  // 25 to 50
  histogram.record(microseconds{700'000});                          // 0.5 s to 1 s
  EXPECT_GT(histogram.quantile(0.5), microseconds{25});
  EXPECT_LE(histogram.quantile(0.99), microseconds{50});
  EXPECT_GT(histogram.quantile(0.995), microseconds{500'000});
  EXPECT_LE(histogram.quantile(1), microseconds{1'000'000});
}

}  // namespace
}  // namespace portshare
