// What must hold for any reader of first bytes, whatever the bytes are. A breach ends the program, which the
// fuzzer reports.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "core/byte_view.h"
#include "tests/core/split_reading.h"

namespace portshare::test {

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// A number which the bytes themselves choose (FNV-1a).
inline std::uint32_t hash_of(ByteView bytes) {
  std::uint32_t hash = 2166136261U;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 16777619U;
  return hash;
}

/// The answer for `bytes`, after seeing that every way of cutting them leads to it: short ones byte by byte,
/// long ones at positions which the bytes themselves choose. `fresh` is a reader that has not read yet.
template <typename Answer>
Answer require_same_answer_for_cuts(ByteView bytes,
                                    const typename Answer::Reader& fresh = typename Answer::Reader()) {
  const Answer whole = read_whole<Answer>(bytes, fresh);

  SplitReading<Answer> growing(fresh);
  const std::size_t step = 1 + bytes.size() / 256;
  for (std::size_t length = 0; length < bytes.size(); length += step) {
    const Verdict before = growing.answer().verdict;
    const Verdict now = growing.show(bytes.first(length)).verdict;
    require(before == Verdict::need_more || now == before);
    require(now == Verdict::need_more || now == whole.verdict);
  }
  require(growing.show(bytes) == whole);

  SplitReading<Answer> cut_in_two(fresh);
  cut_in_two.show(bytes.first(hash_of(bytes) % (bytes.size() + 1)));
  require(cut_in_two.show(bytes) == whole);
  return whole;
}

}  // namespace portshare::test
