// Bounds-checked reading of untrusted bytes: the only way in which parsers look at them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/byte_view.h"

namespace portshare {

/// Reads big-endian integers and length-prefixed vectors (RFC 8446, section 3.4) from the front of a view. A
/// read that would pass the end returns nothing and leaves the cursor where it was. Copying a cursor is cheap
/// and makes a bookmark. Owns nothing: the bytes must outlive it.
class Cursor {
 public:
  explicit Cursor(ByteView bytes) : rest_(bytes) {}

  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  /// What has not been read yet.
  [[nodiscard]] ByteView rest() const { return rest_; }

  std::optional<std::uint8_t> read_u8() {
    const auto value = read_integer<1>();
    return value ? std::optional(static_cast<std::uint8_t>(*value)) : std::nullopt;
  }
  std::optional<std::uint16_t> read_u16() {
    const auto value = read_integer<2>();
    return value ? std::optional(static_cast<std::uint16_t>(*value)) : std::nullopt;
  }
  std::optional<std::uint32_t> read_u24() { return read_integer<3>(); }
  std::optional<std::uint32_t> read_u32() { return read_integer<4>(); }

  /// The next `count` bytes.
  std::optional<ByteView> read_bytes(std::size_t count) {
    if (count > rest_.size()) return std::nullopt;
    const ByteView bytes = rest_.first(count);
    rest_ = rest_.subspan(count);
    return bytes;
  }

  /// A vector with a length prefix of one or two bytes. Either all of it is there, or nothing is read.
  std::optional<ByteView> read_vector8() { return read_vector<1>(); }
  std::optional<ByteView> read_vector16() { return read_vector<2>(); }

 private:
  template <std::size_t size>
  std::optional<std::uint32_t> read_integer() {
    const auto bytes = read_bytes(size);
    if (!bytes) return std::nullopt;
    std::uint32_t value = 0;
    for (const std::uint8_t byte : *bytes) value = value << 8 | byte;
    return value;
  }

  template <std::size_t size>
  std::optional<ByteView> read_vector() {
    const Cursor bookmark = *this;
    const auto length = read_integer<size>();
    const auto bytes = length ? read_bytes(*length) : std::nullopt;
    if (!bytes) *this = bookmark;
    return bytes;
  }

  ByteView rest_;
};

}  // namespace portshare
