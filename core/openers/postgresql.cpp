#include "core/openers/postgresql.h"

#include "core/cursor.h"

namespace portshare {
namespace {

// The codes stand where a StartupMessage has its version, major and minor in 16 bits each.
constexpr std::uint32_t cancel_request = 1234U << 16 | 5678;
constexpr std::uint32_t ssl_request = 1234U << 16 | 5679;
constexpr std::uint32_t gss_encryption_request = 1234U << 16 | 5680;
constexpr std::uint32_t startup_major_version = 3;

constexpr std::uint32_t request_length = 8;
constexpr std::uint32_t shortest_startup = 9;     // with the zero that ends the parameters
constexpr std::uint32_t longest_startup = 10000;  // the server's own limit
constexpr std::uint32_t shortest_cancel = 16;
constexpr std::uint32_t longest_cancel = 12 + 256;  // since version 3.2 the key may be longer

bool is_opening(std::uint32_t length, std::uint32_t code) {
  switch (code) {
    case ssl_request:
    case gss_encryption_request:
      return length == request_length;
    case cancel_request:
      return length >= shortest_cancel && length <= longest_cancel;
    default:
      return code >> 16 == startup_major_version && length >= shortest_startup && length <= longest_startup;
  }
}

}  // namespace

Verdict recognise_postgresql(ByteView bytes) {
  Cursor cursor(bytes);
  for (int i = 0; i < 2; ++i) {  // no length has more than 16 bits
    if (cursor.read_u8().value_or(0) != 0) return Verdict::not_mine;
  }
  const auto length = cursor.read_u16();
  if (!length) return Verdict::need_more;
  if (*length < request_length || *length > longest_startup) return Verdict::not_mine;
  const auto code = cursor.read_u32();
  if (!code) return Verdict::need_more;
  return is_opening(*length, *code) ? Verdict::recognised : Verdict::not_mine;
}

}  // namespace portshare
