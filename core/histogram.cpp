#include "core/histogram.h"

#include <bit>
#include <cassert>
#include <cmath>

namespace portshare {

// Values below 2^(precision + 1) have a bucket each. Above, each octave [2^k, 2^(k+1)) has 2^precision
// buckets, so that the octaves' buckets follow each other without a gap: the index is the value's leading
// precision + 1 bits, plus 2^precision for each bit that had to be shifted out.

Histogram::Histogram(std::uint64_t highest, unsigned precision_bits)
    : precision_bits_(precision_bits), highest_(highest) {
  assert(precision_bits >= 1 && precision_bits <= 16);
  counts_.resize(index_of(highest) + 1);
}

std::size_t Histogram::index_of(std::uint64_t value) const {
  const auto width = static_cast<unsigned>(std::bit_width(value));
  const unsigned shift = width > precision_bits_ + 1 ? width - precision_bits_ - 1 : 0;
  return (static_cast<std::size_t>(shift) << precision_bits_) + (value >> shift);
}

std::uint64_t Histogram::highest_value_of(std::size_t index) const {
  const std::size_t octaves = index >> precision_bits_;
  const std::size_t shift = octaves < 2 ? 0 : octaves - 1;
  const std::uint64_t leading = index - (shift << precision_bits_);
  return ((leading + 1) << shift) - 1;
}

void Histogram::merge(const Histogram& other) {
  assert(precision_bits_ == other.precision_bits_ && highest_ == other.highest_);
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

void Histogram::clear() {
  *this = Histogram(highest_, precision_bits_);
}

double Histogram::mean() const {
  return count_ == 0 ? 0.0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

std::uint64_t Histogram::quantile(double share) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const std::uint64_t rank = std::clamp(static_cast<std::uint64_t>(wanted), std::uint64_t{1}, count_);
  std::uint64_t seen = 0;
  for (std::size_t index = 0; index < counts_.size(); ++index) {
    seen += counts_[index];
    if (seen >= rank) return index + 1 == counts_.size() ? max_ : std::min(highest_value_of(index), max_);
  }
  return max_;
}

}  // namespace portshare
