// Bytes at the edge of memory that cannot be touched: a read one byte too far ends the program, in every
// build.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/byte_view.h"

namespace portshare::test {

/// A copy of some bytes in pages of its own, with a page that nobody may read on one side.
class GuardedBytes {
 public:
  enum class Guard : bool { in_front, behind };

  GuardedBytes(ByteView bytes, Guard guard);
  ~GuardedBytes();
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  [[nodiscard]] ByteView view() const { return view_; }

 private:
  Guard guard_;
  std::size_t usable_;   ///< bytes beside the guard
  std::uint8_t* pages_;  ///< where they begin
  ByteView view_;
};

/// The same as a type, for readers that take their copies by type (HeapCopy of tests/core/split_reading.h is
/// another).
template <GuardedBytes::Guard guard>
class GuardedCopy : public GuardedBytes {
 public:
  explicit GuardedCopy(ByteView bytes) : GuardedBytes(bytes, guard) {}
};

}  // namespace portshare::test
