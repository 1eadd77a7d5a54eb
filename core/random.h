// A small seeded generator: the same seed gives the same numbers on every machine. For tests, the simulation
// and the seeds of hash tables; not for secrets.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstdint>

namespace portshare {

/// A bijection of 64 bits in which every bit of the result depends on every bit of `value` (the finisher of
/// splitmix64).
constexpr std::uint64_t mix_bits(std::uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
  value = (value ^ value >> 27) * 0x94d049bb133111ebU;
  return value ^ value >> 31;
}

/// xoshiro256** of Blackman and Vigna. Not thread-safe; copying it copies the sequence to come.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) word = mix_bits(seed += 0x9e3779b97f4a7c15U);
  }

  constexpr std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// 0 to `count` - 1, each equally likely. `count` is not 0.
  constexpr std::uint64_t below(std::uint64_t count) {
    assert(count != 0);
    const std::uint64_t excess =
        (0 - count) % count;  // 2^64 modulo count: that many values would come once too often
    std::uint64_t value = next();
    while (value < excess) value = next();
    return value % count;
  }

  /// True in `numerator` of `denominator` cases.
  constexpr bool chance(std::uint64_t numerator, std::uint64_t denominator) {
    return below(denominator) < numerator;
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace portshare
