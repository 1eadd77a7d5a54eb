#include "core/name_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/host_name.h"
#include "core/word_bytes.h"

namespace portshare {
namespace {

/// The 8 bytes from `start` on, the last one lowest.
std::uint64_t load_big_endian(std::string_view text, std::size_t start) {
  std::uint64_t word = 0;
  std::memcpy(&word, text.data() + start, sizeof word);
  return std::endian::native == std::endian::big ? word : std::byteswap(word);
}

/// The bytes in front of `end`, at most 8, the last one lowest; zero above them. Reads within `text` only.
std::uint64_t word_before(std::string_view text, std::size_t end) {
  if (end >= 8) return load_big_endian(text, end - 8);
  if (text.size() >= 8 && end != 0) return load_big_endian(text, 0) >> 8 * (8 - end);
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < end; ++i) word = word << 8 | static_cast<unsigned char>(text[i]);
  return word;
}

}  // namespace

// Chunks of up to 8 bytes, never across a dot, from the right: a suffix has the same chunks whether it stands
// alone or at the end of a longer name.
HashedName::HashedName(std::string_view name, std::uint64_t seed) : name_(name) {
  assert(!name.empty() && name.size() <= HostName::max_length);
  constexpr std::uint64_t end_of_label = 1;  // no chunk of text: "a.b" is not "ab"
  std::uint64_t hash = seed;
  Start* start = starts_.data();
  for (std::size_t end = name.size();;) {
    const std::uint64_t word = word_before(name, end);
    const std::uint64_t dots = find_bytes('.', word);
    if (dots != 0) {
      const std::size_t length = lowest_byte_of(dots);
      if (length != 0) hash = combine_hash(hash, word & ((std::uint64_t{1} << 8 * length) - 1));
      end -= length;
      *start++ = {hash, end};
      hash += end_of_label;
      --end;
    } else if (end > 8) {
      hash = combine_hash(hash, word);
      end -= 8;
    } else {
      if (end != 0) hash = combine_hash(hash, word);
      *start++ = {hash, 0};
      break;
    }
  }
  count_ = static_cast<std::size_t>(start - starts_.data());
}

void NameTable::Depths::add(std::string_view wildcard) {
  mask_ |= bit(static_cast<std::size_t>(std::ranges::count(wildcard, '.')) + 1);
}

NameTable::NameTable(std::size_t max_names, std::uint64_t seed)
    : hash_slots_(max_names), slots_(hash_slots_.size()), seed_(seed) {}

bool NameTable::holds(const Slot& slot, std::uint32_t owner, std::string_view text) const {
  if (slot.owner != owner || slot.length != text.size()) return false;
  if (text.size() <= Slot::text_length) return std::memcmp(slot.text.data(), text.data(), text.size()) == 0;
  std::uint32_t rest = 0;
  std::memcpy(&rest, &slot.text[Slot::beginning], sizeof rest);
  return std::memcmp(slot.text.data(), text.data(), Slot::beginning) == 0 &&
         std::memcmp(&rests_[rest], text.data() + Slot::beginning, text.size() - Slot::beginning) == 0;
}

void NameTable::write(Slot& slot, std::uint32_t owner, std::string_view text) {
  slot.owner = owner;
  slot.length = static_cast<std::uint8_t>(text.size());
  if (text.size() <= Slot::text_length) {
    std::ranges::copy(text, slot.text.begin());
    return;
  }
  assert(rests_.size() <= UINT32_MAX);
  const auto rest = static_cast<std::uint32_t>(rests_.size());
  std::ranges::copy(text.substr(0, Slot::beginning), slot.text.begin());
  std::memcpy(&slot.text[Slot::beginning], &rest, sizeof rest);
  rests_.insert(rests_.end(), text.begin() + Slot::beginning, text.end());
}

std::uint32_t& NameTable::insert(std::uint32_t scope, Kind kind, std::string_view text) {
  assert(scope < std::uint32_t{1} << 31);
  const std::uint32_t owner = owner_of(scope, kind);
  const HashedName::Suffix name = HashedName(text, seed_).whole();
  const auto [slot, is_used] = place_of(owner, name);
  if (!is_used) {
    hash_slots_.use(slot, hash_of(owner, name));
    write(slots_[slot], owner, text);
  }
  return slots_[slot].value;
}

}  // namespace portshare
