#include "core/openers/rdp.h"

#include "core/cursor.h"

namespace portshare {

Verdict recognise_rdp(ByteView bytes) {
  constexpr std::uint8_t tpkt_version = 3;
  constexpr std::uint8_t connection_request = 0xe0;
  constexpr std::uint8_t negotiation_request = 0x01;
  constexpr std::size_t tpkt_length = 4;
  constexpr std::size_t fixed_length = 11;

  // A byte that is not there yet is taken for the one expected.
  Cursor cursor(bytes);
  if (cursor.read_u8().value_or(tpkt_version) != tpkt_version) return Verdict::not_mine;
  if (cursor.read_u8().value_or(0) != 0) return Verdict::not_mine;
  const auto length = cursor.read_u16();
  if (!length) return Verdict::need_more;
  // The request's own length is one byte and does not count itself.
  if (*length < fixed_length || *length > tpkt_length + 1 + 254) return Verdict::not_mine;
  const std::size_t request_length = *length - tpkt_length - 1;
  if (cursor.read_u8().value_or(request_length) != request_length) return Verdict::not_mine;
  if (cursor.read_u8().value_or(connection_request) != connection_request) return Verdict::not_mine;
  for (int i = 0; i < 2; ++i) {  // the destination's reference
    if (cursor.read_u8().value_or(0) != 0) return Verdict::not_mine;
  }
  cursor.read_u16();  // the client's own
  if (bytes.size() < fixed_length) return Verdict::need_more;
  if (cursor.read_u8() != std::uint8_t{0}) return Verdict::not_mine;  // class 0
  if (*length == fixed_length) return Verdict::recognised;

  // What may follow is a routing token or a cookie, which are text, and a negotiation request.
  const auto next = cursor.read_u8();
  if (!next) return Verdict::need_more;
  const bool is_text = *next >= 0x20 && *next < 0x7f;
  return is_text || *next == negotiation_request ? Verdict::recognised : Verdict::not_mine;
}

}  // namespace portshare
