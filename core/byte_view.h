// The type in which untrusted bytes travel. It owns nothing: whoever hands one out says how long the bytes
// live.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace portshare {

using ByteView = std::span<const std::uint8_t>;

/// The same bytes as characters. Valid as long as `bytes` is.
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};  // char may alias any object type
}

/// The same characters as bytes. Valid as long as `text` is.
inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace portshare
