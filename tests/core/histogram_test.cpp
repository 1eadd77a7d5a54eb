#include "core/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/random.h"

namespace portshare {
namespace {

constexpr std::uint64_t hour_ns = 3'600'000'000'000;

TEST(Histogram, IsEmptyAtFirst) {
  const Histogram histogram(hour_ns);
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.min(), 0U);
  EXPECT_EQ(histogram.max(), 0U);
  EXPECT_EQ(histogram.mean(), 0.0);
  EXPECT_EQ(histogram.quantile(0.5), 0U);
}

TEST(Histogram, KeepsSmallValuesExactly) {
  Histogram histogram(hour_ns);
  for (std::uint64_t value = 0; value < 2048; ++value) histogram.record(value);
  for (std::uint64_t value = 0; value < 2048; ++value)
    EXPECT_EQ(histogram.quantile(static_cast<double>(value + 1) / 2048), value);
  EXPECT_EQ(histogram.min(), 0U);
  EXPECT_EQ(histogram.max(), 2047U);
  EXPECT_DOUBLE_EQ(histogram.mean(), 2047.0 / 2);
}

TEST(Histogram, KeepsThreeDigitsOfEveryMagnitude) {
  // Each value alone, with the neighbours at the borders of buckets and octaves.
  for (std::uint64_t power = 1; power < hour_ns; power *= 2) {
    for (const std::uint64_t value : {power - 1, power, power + 1, power + power / 3}) {
      Histogram histogram(2 * hour_ns);
      histogram.record(value);
      histogram.record(hour_ns);  // so that it is not cut to the maximum
      const std::uint64_t found = histogram.quantile(0.5);
      EXPECT_GE(found, value);
      EXPECT_LE(found - value, value / 1024) << value;
    }
  }
}

TEST(Histogram, BucketsFollowEachOtherWithoutGaps) {
  Histogram histogram(1 << 20, 3);
  for (std::uint64_t value = 0; value <= 1 << 20; ++value) histogram.record(value);
  std::uint64_t below = 0;
  histogram.for_each_bucket([&](const Histogram::Bucket& bucket) {
    if (bucket.highest_value <= 1 << 20) {
      // All values from the end of the one before to its own end, and no other.
      EXPECT_EQ(bucket.count, bucket.highest_value + 1 - below) << bucket.highest_value;
    }
    below += bucket.count;
  });
  EXPECT_EQ(below, histogram.count());
}

TEST(Histogram, AgreesWithSorting) {
  Random random(7);
  Histogram histogram(hour_ns);
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t value = random.next() >> (24 + random.below(40));
    values.push_back(value);
    histogram.record(value);
  }
  std::ranges::sort(values);
  for (const double share : {0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.99999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
    const std::uint64_t exact = values[rank == 0 ? 0 : rank - 1];
    EXPECT_GE(histogram.quantile(share), exact) << share;
    EXPECT_LE(histogram.quantile(share) - exact, exact / 1024) << share;
  }
  EXPECT_EQ(histogram.min(), values.front());
  EXPECT_EQ(histogram.max(), values.back());
  EXPECT_EQ(histogram.quantile(1), values.back());
}

TEST(Histogram, CountsWhatIsTooHighAsTheHighest) {
  Histogram histogram(1000);
  histogram.record(10);
  histogram.record(5'000'000);
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.max(), 5'000'000U);
  EXPECT_EQ(histogram.quantile(1), 5'000'000U);
  EXPECT_EQ(histogram.quantile(0.5), 10U);
}

TEST(Histogram, MergesAndClears) {
  Histogram low(hour_ns);
  Histogram high(hour_ns);
  Histogram both(hour_ns);
  for (std::uint64_t value = 1; value <= 500; ++value) {
    low.record(value);
    high.record(value * 1000);
    both.record(value);
    both.record(value * 1000);
  }
  low.merge(high);
  EXPECT_EQ(low.count(), both.count());
  EXPECT_EQ(low.min(), both.min());
  EXPECT_EQ(low.max(), both.max());
  EXPECT_DOUBLE_EQ(low.mean(), both.mean());
  for (double share = 0; share <= 1; share += 0.01) EXPECT_EQ(low.quantile(share), both.quantile(share));
  low.clear();
  EXPECT_EQ(low.count(), 0U);
  EXPECT_EQ(low.quantile(1), 0U);
  low.record(3);
  EXPECT_EQ(low.quantile(1), 3U);
}

}  // namespace
}  // namespace portshare
