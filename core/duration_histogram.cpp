#include "core/duration_histogram.h"

#include <cmath>
#include <numeric>

namespace portshare {

void DurationHistogram::add(const DurationHistogram& other) {
  for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) counts_[bucket] += other.counts_[bucket];
  sum_us_ += other.sum_us_;
}

DurationHistogram DurationHistogram::since(const DurationHistogram& earlier) const {
  DurationHistogram difference = *this;
  for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
    difference.counts_[bucket] -= earlier.counts_[bucket];
  }
  difference.sum_us_ -= earlier.sum_us_;
  return difference;
}

std::uint64_t DurationHistogram::count() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

std::chrono::microseconds DurationHistogram::quantile(double share) const {
  const auto total = static_cast<double>(count());
  if (total == 0) return {};
  double before = 0;
  for (std::size_t bucket = 0; bucket < bounds_us.size(); ++bucket) {
    const auto inside = static_cast<double>(counts_[bucket]);
    if (inside > 0 && before + inside >= share * total) {
      const auto low = static_cast<double>(bucket == 0 ? 0 : bounds_us[bucket - 1]);
      const auto high = static_cast<double>(bounds_us[bucket]);
      const double part = (share * total - before) / inside;
      return std::chrono::microseconds{std::llround(low + part * (high - low))};
    }
    before += inside;
  }
  return std::chrono::microseconds{static_cast<std::int64_t>(bounds_us.back())};
}

}  // namespace portshare
