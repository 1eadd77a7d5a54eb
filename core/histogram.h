// How often which value occurred, over many orders of magnitude in fixed memory: log-linear buckets, as
// HdrHistogram has them (Gil Tene, hdrhistogram.org).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace portshare {

/// Values are counted in buckets whose width is at most 2^-`precision_bits` of the value: 10 bits keep three
/// significant decimal digits. All memory is taken by the constructor; recording is a few instructions. Two
/// histograms of the same shape can be merged, so that each thread has its own. Not thread-safe.
class Histogram {
 public:
  struct Bucket {
    std::uint64_t highest_value;  ///< of those that are counted in it
    std::uint64_t count;
  };

  /// Values over `highest` are counted as `highest`; max() and mean() still know them. `precision_bits`: 1
  /// to 16.
  explicit Histogram(std::uint64_t highest, unsigned precision_bits = 10);

  void record(std::uint64_t value) {
    ++counts_[index_of(std::min(value, highest_))];
    ++count_;
    sum_ += value;
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }

  /// Adds what `other` counted, which has the same shape.
  void merge(const Histogram& other);
  void clear();

  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// These are exact; 0 if nothing was recorded.
  [[nodiscard]] std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] std::uint64_t max() const { return max_; }
  [[nodiscard]] double mean() const;

  /// The smallest value that at least this share (0 to 1) of all values does not exceed, to the precision of
  /// the buckets, rounded up; never over max(). 0 if nothing was recorded.
  [[nodiscard]] std::uint64_t quantile(double share) const;

  /// Buckets with something in them, by ascending value: `visit(const Bucket&)`.
  template <typename Visitor>
  void for_each_bucket(Visitor visit) const {
    for (std::size_t index = 0; index < counts_.size(); ++index)
      if (counts_[index] != 0) visit(Bucket{highest_value_of(index), counts_[index]});
  }

 private:
  [[nodiscard]] std::size_t index_of(std::uint64_t value) const;
  [[nodiscard]] std::uint64_t highest_value_of(std::size_t index) const;

  unsigned precision_bits_;
  std::uint64_t highest_;
  std::uint64_t count_ = 0;
  std::uint64_t min_ = UINT64_MAX;
  std::uint64_t max_ = 0;
  std::uint64_t sum_ = 0;
  std::vector<std::uint64_t> counts_;
};

}  // namespace portshare
