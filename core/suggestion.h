// "Did you mean": the near misses of a typed word.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace portshare {

/// Finds among many candidates the one that was probably meant.
class Suggestion {
 public:
  explicit Suggestion(std::string_view word);

  /// Keeps `candidate` if it is nearer than all before it. Its characters must outlive this object.
  void consider(std::string_view candidate);
  /// The nearest candidate; empty if none is near enough to be meant.
  [[nodiscard]] std::string_view nearest() const { return nearest_; }
  /// "; did you mean 'candidate'?", or nothing.
  [[nodiscard]] std::string to_string() const;

 private:
  std::string_view word_;
  std::string_view nearest_;
  std::size_t distance_;  // of nearest_; one more than what still counts as near while there is none
};

/// The end of an error message about `word`, where `candidates` is a range of strings.
template <typename Range, typename Projection = std::identity>
[[nodiscard]] std::string suggest(std::string_view word, const Range& candidates,
                                  Projection projection = {}) {
  Suggestion suggestion(word);
  for (const auto& candidate : candidates) suggestion.consider(std::invoke(projection, candidate));
  return suggestion.to_string();
}

}  // namespace portshare
