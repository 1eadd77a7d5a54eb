// A made-up population of names, as the tenants of one listener have them.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"

namespace portshare::bench {

/// Texts one behind the other, so that reading them in their order costs next to nothing: what is measured
/// is the table, which gets a name that has just been read from a connection.
class PackedTexts {
 public:
  void add(std::string_view text) {
    text_.append(text);
    ends_.push_back(text_.size());
  }
  [[nodiscard]] std::size_t size() const { return ends_.size() - 1; }
  [[nodiscard]] std::string_view operator[](std::size_t index) const {
    return std::string_view(text_).substr(ends_[index], ends_[index + 1] - ends_[index]);
  }

 private:
  std::string text_;
  std::vector<std::size_t> ends_{0};
};

/// `count` different domains, two or three labels with 12 to 27 bytes. Every fifth belongs to a tenant with
/// a wildcard ("*.domain"), the others have a name each ("label.domain").
class NamePopulation {
 public:
  explicit NamePopulation(std::size_t count, std::uint64_t seed = 1) : random_(seed) {
    names_.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
      names_.push_back(is_wildcard(i) ? domain(i) : label() + "." + domain(i));
  }

  [[nodiscard]] std::size_t size() const { return names_.size(); }
  /// `size()` is at least 5: both kinds are there.
  static bool is_wildcard(std::size_t index) { return index % wildcard_share == wildcard_share - 1; }
  /// A wildcard without its "*.".
  [[nodiscard]] const std::string& operator[](std::size_t index) const { return names_[index]; }

  // Names that clients ask for, each drawn at random over all of its kind.
  std::string exact_hit() {
    std::size_t index = random_.below(size());
    if (is_wildcard(index)) --index;
    return names_[index];
  }
  std::string wildcard_hit() {
    return label() + "." +
           names_[random_.below(size() / wildcard_share) * wildcard_share + wildcard_share - 1];
  }
  /// Of the shape of the others.
  std::string miss() { return label() + "." + domain(size() + random_.below(UINT32_MAX)); }

 private:
  static constexpr std::size_t wildcard_share = 5;

  std::string letters(std::size_t count) {
    std::string text;
    while (text.size() < count) text += static_cast<char>('a' + random_.below(26));
    return text;
  }
  std::string label() { return random_.chance(1, 2) ? "www" : letters(3 + random_.below(6)); }
  /// The number makes it unlike any other.
  std::string domain(std::uint64_t number) {
    static constexpr std::array<std::string_view, 4> endings{".com", ".net", ".org", ".example"};
    std::string text = letters(2 + random_.below(6));
    for (; number != 0; number /= 10) text += static_cast<char>('0' + number % 10);
    return text.append(endings[random_.below(endings.size())]);
  }

  Random random_;
  std::vector<std::string> names_;
};

}  // namespace portshare::bench
