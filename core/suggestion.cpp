#include "core/suggestion.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

namespace portshare {
namespace {

constexpr std::size_t shortest_abbreviation = 3;

/// How many insertions, removals, replacements and swaps of neighbours lead from one word to the other
/// (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the table of distances between prefixes: the current one and the two before it.
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({replaced, last[j] + 1, current[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, current);
  }
  return last[b.size()];
}

/// A third of the letters may be wrong; with a single letter no guess is worth making.
std::size_t tolerated_distance(std::string_view word) {
  return word.size() < 2 ? 0 : std::max<std::size_t>(1, word.size() / 3);
}

}  // namespace

Suggestion::Suggestion(std::string_view word) : word_(word), distance_(tolerated_distance(word) + 1) {}

void Suggestion::consider(std::string_view candidate) {
  // The beginning of a word is as near as one wrong letter.
  const bool abbreviated = word_.size() >= shortest_abbreviation && candidate.starts_with(word_);
  const auto [shorter, longer] = std::minmax({word_.size(), candidate.size()});
  if (!abbreviated && longer - shorter >= distance_) return;
  const std::size_t distance = abbreviated ? 1 : edit_distance(word_, candidate);
  if (distance < distance_) {
    distance_ = distance;
    nearest_ = candidate;
  }
}

std::string Suggestion::to_string() const {
  if (nearest_.empty()) return {};
  return "; did you mean '" + std::string(nearest_) + "'?";
}

}  // namespace portshare
