// The frames of HTTP/2: RFC 9113, sections 4.1 and 6.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/cursor.h"

namespace portshare {

enum class H2FrameType : std::uint8_t {
  data = 0,
  headers = 1,
  priority = 2,
  rst_stream = 3,
  settings = 4,
  push_promise = 5,
  ping = 6,
  goaway = 7,
  window_update = 8,
  continuation = 9,
};

struct H2FrameHeader {
  static constexpr std::size_t length = 9;
  static constexpr std::uint8_t ack = 0x01;  ///< of SETTINGS and PING
  static constexpr std::uint8_t end_stream = 0x01;
  static constexpr std::uint8_t end_headers = 0x04;
  static constexpr std::uint8_t padded = 0x08;
  static constexpr std::uint8_t has_priority = 0x20;

  std::uint32_t payload_length = 0;  ///< 24 bits
  H2FrameType type = H2FrameType::data;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;   ///< 31 bits
  bool reserved_bit = false;  ///< in front of them: without a meaning, and passed on as it came

  [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }

  static std::optional<H2FrameHeader> read(Cursor& cursor) {
    const Cursor bookmark = cursor;
    const auto payload_length = cursor.read_u24();
    const auto type = cursor.read_u8();
    const auto flags = cursor.read_u8();
    const auto stream = cursor.read_u32();
    if (!stream) {
      cursor = bookmark;
      return std::nullopt;
    }
    return H2FrameHeader{*payload_length, static_cast<H2FrameType>(*type), *flags, *stream & 0x7fffffffU,
                         *stream > 0x7fffffffU};
  }

  [[nodiscard]] constexpr std::array<std::uint8_t, length> bytes() const {
    const auto part = [](std::uint32_t value, unsigned shift) {
      return static_cast<std::uint8_t>(value >> shift & 0xff);
    };
    return {part(payload_length, 16),
            part(payload_length, 8),
            part(payload_length, 0),
            static_cast<std::uint8_t>(type),
            flags,
            part(stream | (reserved_bit ? 0x80000000U : 0), 24),
            part(stream, 16),
            part(stream, 8),
            part(stream, 0)};
  }
};

/// What the endpoints of a connection accept before they have said otherwise (SETTINGS_MAX_FRAME_SIZE).
inline constexpr std::size_t h2_default_max_frame_size = 16384;

inline void append_h2_frame(std::vector<std::uint8_t>& out, H2FrameType type, std::uint8_t flags,
                            std::uint32_t stream, ByteView payload) {
  const auto header = H2FrameHeader{static_cast<std::uint32_t>(payload.size()), type, flags, stream}.bytes();
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), payload.begin(), payload.end());
}

/// The part of the header block in the payload of a HEADERS frame: without padding and priority (RFC 9113,
/// 6.2). Empty: the payload is broken.
inline std::optional<ByteView> h2_header_fragment(const H2FrameHeader& header, ByteView payload) {
  Cursor cursor(payload);
  std::size_t padding = 0;
  if (header.has(H2FrameHeader::padded)) {
    const auto length = cursor.read_u8();
    if (!length) return std::nullopt;
    padding = *length;
  }
  if (header.has(H2FrameHeader::has_priority)) {
    const auto dependency = cursor.read_u32();
    if (!dependency || !cursor.read_u8()) return std::nullopt;
    if ((*dependency & 0x7fffffffU) == header.stream) return std::nullopt;  // on itself (RFC 7540, 5.3.1)
  }
  if (padding > cursor.remaining()) return std::nullopt;
  return cursor.read_bytes(cursor.remaining() - padding);
}

}  // namespace portshare
