// Which names are asked for most often, in fixed memory: the Space-Saving algorithm (Metwally, Agrawal, El
// Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005), in sets of eight.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace portshare {

struct BusyName {
  std::string name;
  std::uint64_t count = 0;
};

/// Counts over the last 10 to 20 seconds, so that a name which was busy yesterday does not hide one that is
/// now. Several hundred names are counted exactly; with more of them rare names push each other out, and a
/// count may be too high by as much as the rarest of its set, while a busy name always stays. Counting a name
/// that is known costs a hash and a comparison. Not thread-safe.
class BusyNames {
 public:
  static constexpr std::chrono::seconds window{10};

  BusyNames();

  /// `now` is any clock that does not go back. Empty names are not counted.
  void count(std::string_view name, std::chrono::microseconds now);

  struct Counts {
    std::vector<BusyName> names;        ///< in no order
    std::chrono::microseconds time{0};  ///< over which they were counted
  };
  [[nodiscard]] Counts counts(std::chrono::microseconds now);

 private:
  static constexpr std::size_t ways = 8;
  static constexpr std::size_t set_count = 64;

  struct Set {
    std::array<std::uint32_t, ways> hashes{};
    std::array<std::uint32_t, ways> counts{};  ///< 0: unused
  };
  struct Table {
    std::array<Set, set_count> sets{};
    std::array<std::array<std::string, ways>, set_count> names;
    void count(std::string_view name, std::uint64_t hash);
    void clear();
  };
  void turn_over(std::chrono::microseconds now);

  std::unique_ptr<Table> present_;
  std::unique_ptr<Table> last_;
  std::chrono::microseconds present_since_{0};
  std::chrono::microseconds last_since_{0};  ///< equal: there is no window before the present one
  bool has_begun_ = false;
};

/// The busiest of several counts, at most `limit`, the busiest first and equals by name.
std::vector<BusyName> busiest_of(const std::vector<BusyNames::Counts>& counts, std::size_t limit);

}  // namespace portshare
