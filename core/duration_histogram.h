// How long things took, in buckets with fixed bounds: what a scraper of metrics wants, where core/histogram.h
// is for exact statistics of one run.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace portshare {

/// Recording costs a few instructions. All have the same buckets, so they can be added up and compared over
/// threads, times and versions. Not thread-safe.
class DurationHistogram {
 public:
  /// The highest duration that a bucket counts, in microseconds. Longer ones are in the last bucket, which
  /// has no bound.
  static constexpr std::array<std::uint64_t, 24> bounds_us{
      10,        25,        50,         100,        250,        500,         1'000,       2'500,
      5'000,     10'000,    25'000,     50'000,     100'000,    250'000,     500'000,     1'000'000,
      2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000, 300'000'000, 600'000'000, 3'600'000'000};
  static constexpr std::size_t bucket_count = bounds_us.size() + 1;

  void record(std::chrono::microseconds duration) {
    const auto value = static_cast<std::uint64_t>(duration.count() > 0 ? duration.count() : 0);
    std::size_t bucket = first_bucket[std::bit_width(value)];
    while (bucket < bounds_us.size() && value > bounds_us[bucket]) ++bucket;
    ++counts_[bucket];
    sum_us_ += value;
  }

  void add(const DurationHistogram& other);
  /// What was recorded since `earlier`, which is an older copy of this one.
  [[nodiscard]] DurationHistogram since(const DurationHistogram& earlier) const;

  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] std::uint64_t sum_us() const { return sum_us_; }
  /// Of one bucket alone.
  [[nodiscard]] std::uint64_t count_in(std::size_t bucket) const { return counts_[bucket]; }

  /// The duration that this share (0 to 1) of all does not exceed, estimated within its bucket; zero if there
  /// are none. What is beyond the last bound counts as that bound.
  [[nodiscard]] std::chrono::microseconds quantile(double share) const;

 private:
  /// By the number of bits of a value: the first bucket that may count it.
  static constexpr std::array<std::uint8_t, 65> first_bucket = [] {
    std::array<std::uint8_t, 65> buckets{};
    for (std::size_t bits = 0; bits < buckets.size(); ++bits) {
      const std::uint64_t lowest = bits == 0 ? 0 : std::uint64_t{1} << (bits - 1);
      while (buckets[bits] < bounds_us.size() && lowest > bounds_us[buckets[bits]]) ++buckets[bits];
    }
    return buckets;
  }();

  std::array<std::uint64_t, bucket_count> counts_{};
  std::uint64_t sum_us_ = 0;
};

}  // namespace portshare
