#include "core/openers/mqtt.h"

#include <string_view>

#include "core/cursor.h"

namespace portshare {
namespace {

/// The rest of the packet in 7 bits per byte, the lowest first, at most four bytes; the top bit says that a
/// further one follows.
Verdict read_remaining_length(Cursor& cursor, std::uint32_t& length) {
  for (unsigned shift = 0; shift < 28; shift += 7) {
    const auto byte = cursor.read_u8();
    if (!byte) return Verdict::need_more;
    length |= (*byte & 0x7fU) << shift;
    if ((*byte & 0x80) == 0) return Verdict::recognised;
  }
  return Verdict::not_mine;
}

struct Version {
  std::string_view name;     ///< with its length in front
  std::uint8_t first_level;  ///< the level's top bit marks a bridge between servers
  std::uint8_t last_level;
  std::uint32_t shortest;  ///< name, level, flags, keep-alive and the client id's length
};
constexpr std::string_view name_3_1_1{"\0\4MQTT", 6};
constexpr std::string_view name_3_1{"\0\6MQIsdp", 8};
constexpr Version versions[] = {{name_3_1_1, 4, 5, 12}, {name_3_1, 3, 3, 14}};

Verdict recognise_version(const Version& version, std::uint32_t length, std::string_view text) {
  if (length < version.shortest) return Verdict::not_mine;
  const std::string_view name = text.substr(0, version.name.size());
  if (!version.name.starts_with(name)) return Verdict::not_mine;
  if (text.size() <= version.name.size()) return Verdict::need_more;
  const auto level = static_cast<std::uint8_t>(text[version.name.size()] & 0x7f);
  return level >= version.first_level && level <= version.last_level ? Verdict::recognised
                                                                     : Verdict::not_mine;
}

}  // namespace

Verdict recognise_mqtt(ByteView bytes) {
  constexpr std::uint8_t connect = 0x10;
  Cursor cursor(bytes);
  if (cursor.read_u8().value_or(connect) != connect) return Verdict::not_mine;
  std::uint32_t length = 0;
  const Verdict has_length = read_remaining_length(cursor, length);
  if (has_length != Verdict::recognised) return has_length;
  Verdict verdict = Verdict::not_mine;
  for (const Version& version : versions) {
    const Verdict now = recognise_version(version, length, as_text(cursor.rest()));
    if (now != Verdict::not_mine) verdict = now;
  }
  return verdict;
}

}  // namespace portshare
