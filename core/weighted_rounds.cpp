#include "core/weighted_rounds.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace portshare {

namespace {

/// Weights in the same proportions, as near as possible, of which a round is not longer than it may be.
std::vector<std::int64_t> shortened(std::span<const std::uint32_t> weights) {
  std::uint32_t common = 0;
  std::uint64_t sum = 0;
  for (const std::uint32_t weight : weights) {
    common = std::gcd(common, weight);
    sum += weight;
  }
  const std::uint64_t longest = std::max<std::uint64_t>(WeightedRounds::longest_round, weights.size());
  std::vector<std::int64_t> result;
  result.reserve(weights.size());
  for (const std::uint32_t weight : weights) {
    const std::uint64_t share = sum / common <= longest
                                    ? weight / common
                                    : std::max<std::uint64_t>((weight * longest + sum / 2) / sum, 1);
    result.push_back(static_cast<std::int64_t>(share));
  }
  return result;
}

}  // namespace

WeightedRounds::WeightedRounds(std::span<const std::uint32_t> weights)
    : size_(static_cast<std::uint32_t>(weights.size())) {
  if (std::ranges::adjacent_find(weights, std::ranges::not_equal_to()) == weights.end()) return;
  const std::vector<std::int64_t> shares = shortened(weights);
  const std::int64_t sum = std::accumulate(shares.begin(), shares.end(), std::int64_t{0});
  size_ = static_cast<std::uint32_t>(sum);
  turns_.reserve(size_);
  // Everybody saves up its share per turn; who has most gets the turn and pays the sum of all shares.
  std::vector<std::int64_t> savings(shares.size());
  for (std::int64_t turn = 0; turn < sum; ++turn) {
    for (std::size_t i = 0; i < shares.size(); ++i) savings[i] += shares[i];
    const auto richest = std::ranges::max_element(savings);
    *richest -= sum;
    turns_.push_back(static_cast<std::uint32_t>(richest - savings.begin()));
  }
}

}  // namespace portshare
