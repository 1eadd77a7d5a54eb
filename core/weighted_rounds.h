// Turns by weight: the smooth weighted round robin of nginx, worked out beforehand.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace portshare {

/// Whose turn it is at which place of a round, for indices with weights. In a round each index has as many
/// turns as its weight (divided by what all weights have in common), and they lie apart: with weights 5, 1, 1
/// the order is 0 0 1 0 2 0 0. A turn costs a look into a table, however many indices there are. Immutable:
/// threads may share it, each with a place of its own.
class WeightedRounds {
 public:
  /// The longest round. Where weights add up to more, and there are fewer indices than that, they are scaled
  /// down.
  static constexpr std::uint64_t longest_round = 16'384;

  /// No weight is 0. Where all are the same, a round is each index once.
  explicit WeightedRounds(std::span<const std::uint32_t> weights);

  /// The number of turns in a round.
  [[nodiscard]] std::uint32_t size() const { return size_; }
  /// The index whose turn is the n-th, for any `place`.
  [[nodiscard]] std::uint32_t at(std::uint32_t place) const {
    const std::uint32_t turn = place % size_;
    return turns_.empty() ? turn : turns_[turn];
  }

 private:
  std::uint32_t size_;
  std::vector<std::uint32_t> turns_;  // empty: each index once, in order
};

}  // namespace portshare
