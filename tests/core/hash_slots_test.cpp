#include "core/hash_slots.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "core/random.h"

namespace portshare {
namespace {

TEST(FindBytes, is_exact_up_to_the_lowest) {
  EXPECT_EQ(find_bytes('.', 0x6161616161616161U), 0U);
  EXPECT_EQ(lowest_byte_of(find_bytes('.', 0x612e61612e616161U)), 3U);
  EXPECT_EQ(lowest_byte_of(find_bytes(0, 0x00ffffffffffffffU)), 7U);
  EXPECT_EQ(lowest_byte_of(find_bytes(0x80, 0xffffffffff8000ffU)), 2U);
  Random random(1);
  for (int i = 0; i < 100000; ++i) {
    const std::uint64_t word = random.next() & 0x0303030303030303U;  // few values, so that they meet
    const auto wanted = static_cast<std::uint8_t>(random.below(4));
    std::optional<std::size_t> lowest;
    for (std::size_t byte = 8; byte-- > 0;) {
      if ((word >> 8 * byte & 0xff) == wanted) lowest = byte;
    }
    const std::uint64_t found = find_bytes(wanted, word);
    ASSERT_EQ(found != 0, lowest.has_value());
    if (lowest.has_value()) {
      ASSERT_EQ(lowest_byte_of(found), *lowest);
    }
  }
}

/// A table of numbers whose hash has few bits, so that all that can meet does.
class Numbers {
 public:
  explicit Numbers(std::size_t most) : slots_(most), numbers_(slots_.size()) {}

  static std::uint64_t hash_of(std::uint64_t number) {
    const std::uint64_t mixed = mix_bits(number);
    return (mixed & 0xff) % 5 | mixed >> 61 << 61;
  }
  [[nodiscard]] HashSlots::Place find(std::uint64_t number) const {
    return slots_.find(hash_of(number), [&](std::size_t slot) {
      EXPECT_TRUE(slots_.is_used(slot));
      return numbers_[slot] == number;
    });
  }
  void add(std::uint64_t number) {
    const auto [slot, is_used] = find(number);
    ASSERT_FALSE(is_used);
    slots_.use(slot, hash_of(number));
    numbers_[slot] = number;
  }

 private:
  HashSlots slots_;
  std::vector<std::uint64_t> numbers_;
};

TEST(HashSlots, holds_as_many_as_promised_and_nothing_else) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{300}}) {
    Numbers numbers(count);
    for (std::uint64_t number = 0; number < count; ++number) numbers.add(number);
    for (std::uint64_t number = 0; number < 2 * count + 5; ++number) {
      ASSERT_EQ(numbers.find(number).is_used, number < count) << number;
    }
  }
}

TEST(HashSlotsDeathTest, more_than_promised) {
  Numbers numbers(1);
  numbers.add(1);
  EXPECT_DEATH(numbers.add(2), "free_ > 0");
}

}  // namespace
}  // namespace portshare
