#include "bench/first_flight_end.h"

#include <algorithm>

namespace portshare {

bool FirstFlightEnd::take(ByteView bytes) {
  return std::ranges::any_of(bytes, [this](std::uint8_t byte) { return take(byte); });
}

bool FirstFlightEnd::take(std::uint8_t byte) {
  constexpr std::uint8_t handshake_record = 22;
  constexpr std::uint32_t empty_line = 0x0d0a0d0a;
  if (kind_ == Kind::unknown) {
    const bool is_method = byte >= 'A' && byte <= 'Z';
    kind_ = byte == handshake_record ? Kind::tls : is_method ? Kind::http : Kind::other;
  }
  ++position_;
  last_four_ = last_four_ << 8 | byte;
  switch (kind_) {
    case Kind::tls:
      if (position_ == record_header_length) end_ += last_four_ & 0xffff;
      return position_ >= record_header_length && position_ >= end_;
    case Kind::http:
      return last_four_ == empty_line;
    case Kind::unknown:
    case Kind::other:
      break;
  }
  return true;
}

}  // namespace portshare
