#include "core/openers/socks.h"

#include <algorithm>

#include "core/cursor.h"

namespace portshare {
namespace {

Verdict recognise_version_4(Cursor cursor) {
  constexpr std::uint8_t connect = 1;
  constexpr std::uint8_t bind = 2;
  const auto command = cursor.read_u8();
  if (!command) return Verdict::need_more;
  if (*command != connect && *command != bind) return Verdict::not_mine;
  const auto port = cursor.read_u16();
  const auto address = port ? cursor.read_u32() : std::nullopt;
  if (!address) return Verdict::need_more;
  // In version 4a, 0.0.0.x with an x other than 0 says that a name follows.
  return *address != 0 ? Verdict::recognised : Verdict::not_mine;
}

Verdict recognise_version_5(Cursor cursor) {
  const auto count = cursor.read_u8();
  if (!count) return Verdict::need_more;
  if (*count == 0) return Verdict::not_mine;
  const auto is_method = [](std::uint8_t method) {
    constexpr std::uint8_t last_assigned = 0x09;  // IANA's registry of SOCKS methods
    constexpr std::uint8_t first_private = 0x80;
    constexpr std::uint8_t last_private = 0xfe;
    return method <= last_assigned || (method >= first_private && method <= last_private);
  };
  const ByteView methods = cursor.rest().first(std::min<std::size_t>(*count, cursor.remaining()));
  if (!std::ranges::all_of(methods, is_method)) return Verdict::not_mine;
  return methods.size() == *count ? Verdict::recognised : Verdict::need_more;
}

}  // namespace

Verdict recognise_socks(ByteView bytes) {
  Cursor cursor(bytes);
  const auto version = cursor.read_u8();
  if (!version) return Verdict::need_more;
  if (*version == 4) return recognise_version_4(cursor);
  return *version == 5 ? recognise_version_5(cursor) : Verdict::not_mine;
}

}  // namespace portshare
