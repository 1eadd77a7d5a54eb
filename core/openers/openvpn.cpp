#include "core/openers/openvpn.h"

#include "core/cursor.h"

namespace portshare {
namespace {

constexpr std::uint8_t opcode_byte(unsigned opcode) {
  return static_cast<std::uint8_t>(opcode << 3);  // with key id 0, as a first packet has it
}
constexpr std::uint8_t hard_reset_client_v2 = opcode_byte(7);
constexpr std::uint8_t hard_reset_client_v3 = opcode_byte(10);

/// Opcode, session id, an empty list of acknowledgements, message id.
constexpr std::size_t plain_length = 1 + 8 + 1 + 4;
/// tls-auth adds packet id, time and a digest of 16 to 64 bytes; tls-crypt the same with 32.
constexpr std::size_t shortest_protected_length = plain_length + 8 + 16;
constexpr std::size_t longest_protected_length = plain_length + 8 + 64;
/// tls-crypt-v2 adds the wrapped key: digest, 256 bytes of key, length, and metadata up to 1024 bytes in all.
constexpr std::size_t shortest_v3_length = plain_length + 8 + 32 + 32 + 256 + 2;
constexpr std::size_t longest_v3_length = plain_length + 8 + 32 + 1024;

bool fits_v2(std::size_t length) {
  return length == plain_length ||
         (length >= shortest_protected_length && length <= longest_protected_length);
}
bool fits_v3(std::size_t length) {
  return length >= shortest_v3_length && length <= longest_v3_length;
}

/// Clients that can send their key once more begin to count from EARLY_NEG_START, 0x0f000000.
bool is_first_packet_id(std::uint32_t id) {
  return id == 0x00000001 || id == 0x0f000000 || id == 0x0f000001;
}

}  // namespace

Verdict recognise_openvpn(ByteView bytes) {
  Cursor cursor(bytes);
  if (cursor.read_u8().value_or(0) > longest_v3_length >> 8) return Verdict::not_mine;
  cursor = Cursor(bytes);
  const auto length = cursor.read_u16();
  if (!length) return Verdict::need_more;
  if (!fits_v2(*length) && !fits_v3(*length)) return Verdict::not_mine;
  const auto opcode = cursor.read_u8();
  if (!opcode) return Verdict::need_more;
  if (*opcode == hard_reset_client_v2 && fits_v2(*length)) return Verdict::recognised;
  if (*opcode != hard_reset_client_v3 || !fits_v3(*length)) return Verdict::not_mine;
  const auto session_id = cursor.read_bytes(8);
  const auto packet_id = session_id ? cursor.read_u32() : std::nullopt;
  if (!packet_id) return Verdict::need_more;
  return is_first_packet_id(*packet_id) ? Verdict::recognised : Verdict::not_mine;
}

}  // namespace portshare
