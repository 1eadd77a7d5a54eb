#include "dispatch/accept_balance.h"

namespace portshare {

AcceptBalance::AcceptBalance(AcceptCounts* counts, std::size_t worker)
    : counts_(counts && counts->size() > 1 ? counts : nullptr), worker_(worker) {
  if (!counts_) return;
  own_at_start_ = counts_->of(worker_);
  for (std::size_t other = 0; other < counts_->size(); ++other) {
    if (other == worker_) continue;
    others_.push_back({.worker = other, .at_start = counts_->of(other), .takes_part = false});
  }
}

bool AcceptBalance::begin_window(std::chrono::microseconds now) {
  window_start_ = now;
  own_at_start_ = counts_->of(worker_);
  for (Other& other : others_) {
    const std::uint32_t count = counts_->of(other.worker);
    other.takes_part = count != other.at_start;
    other.at_start = count;
  }
  return true;
}

bool AcceptBalance::is_fair() const {
  const std::uint32_t own = counts_->of(worker_) - own_at_start_;
  if (own <= tolerance) return true;
  std::uint64_t sum = 0;
  std::uint64_t count = 0;
  for (const Other& other : others_) {
    if (!other.takes_part) continue;
    sum += counts_->of(other.worker) - other.at_start;
    ++count;
  }
  // A fifth more than the average is fair, too.
  return count == 0 || (own - tolerance) * count * 5 <= sum * 6;
}

}  // namespace portshare
