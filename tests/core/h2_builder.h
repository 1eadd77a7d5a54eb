// Puts together what an HTTP/2 client sends. Its HPACK is its own and the simplest possible: literals without
// Huffman code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/byte_view.h"
#include "core/h2_frame.h"

namespace portshare::test {

inline constexpr std::string_view h2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

using H2Fields = std::vector<std::pair<std::string, std::string>>;

inline std::string h2_frame(H2FrameType type, unsigned flags, std::uint32_t stream,
                            std::string_view payload) {
  const H2FrameHeader header{static_cast<std::uint32_t>(payload.size()), type,
                             static_cast<std::uint8_t>(flags), stream};
  const auto bytes = header.bytes();
  return std::string(as_text(bytes)) + std::string(payload);
}

/// RFC 7541, 5.1 and 5.2.
inline std::string hpack_string(std::string_view text) {
  std::string out;
  std::size_t length = text.size();
  if (length < 127) {
    out += static_cast<char>(length);
  } else {
    out += '\x7f';
    for (length -= 127; length >= 128; length /= 128) out += static_cast<char>(length % 128 + 128);
    out += static_cast<char>(length);
  }
  return out.append(text);
}

enum class Indexing : std::uint8_t { without = 0x00, never = 0x10, incremental = 0x40 };

inline std::string hpack_field(std::string_view name, std::string_view value,
                               Indexing indexing = Indexing::without) {
  return static_cast<char>(indexing) + hpack_string(name) + hpack_string(value);
}

inline std::string hpack_block(const H2Fields& fields, Indexing indexing = Indexing::without) {
  std::string block;
  for (const auto& [name, value] : fields) block += hpack_field(name, value, indexing);
  return block;
}

inline std::string h2_settings(std::string_view payload = {}) {
  return h2_frame(H2FrameType::settings, 0, 0, payload);
}

inline std::string h2_start() {
  return std::string(h2_preface) + h2_settings();
}

/// A HEADERS frame with a whole block and END_STREAM.
inline std::string h2_headers(std::uint32_t stream, std::string_view block,
                              unsigned flags = H2FrameHeader::end_headers | H2FrameHeader::end_stream) {
  return h2_frame(H2FrameType::headers, flags, stream, block);
}

inline H2Fields get_fields(std::string authority) {
  return {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", std::move(authority)}};
}

/// From text with any white space between the digits.
inline std::string bytes_of_hex(std::string_view hex) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string bytes;
  int high = -1;
  for (const char c : hex) {
    const std::size_t digit = digits.find(c);
    if (digit == std::string_view::npos) continue;
    const int value = static_cast<int>(digit);
    if (high >= 0) bytes += static_cast<char>(high << 4 | value);
    high = high >= 0 ? -1 : value;
  }
  return bytes;
}

}  // namespace portshare::test
