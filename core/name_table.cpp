#include "core/name_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/host_name.h"

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

/// The highest bit of every byte of `word` that is `wanted`, and no other bit below the last of these. Above
/// that, a byte that differs by one may count too: what is found there needs a second look.
std::uint64_t find_bytes(std::uint8_t wanted, std::uint64_t word) {
  constexpr std::uint64_t every_byte = 0x0101010101010101U;
  const std::uint64_t zero_where_found = word ^ every_byte * wanted;
  return (zero_where_found - every_byte) & ~zero_where_found & every_byte * 0x80;
}

std::size_t lowest_byte_of(std::uint64_t found) {
  return static_cast<std::size_t>(std::countr_zero(found)) / 8;
}

/// Independent of the half of the hash that tells the group.
std::uint8_t tag_of(std::uint64_t hash) {
  return static_cast<std::uint8_t>(std::max<std::uint64_t>(hash & 0xff, 1));
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

// Two thirds full: fewer than one name in ten must look beyond its first group.
NameTable::NameTable(std::size_t max_names, std::uint64_t seed)
    : tags_(max_names * 3 / 2 / group_size + 1),
      slots_(tags_.size() * group_size),
      seed_(seed),
      free_(max_names) {
  assert(tags_.size() < UINT32_MAX);
}

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

NameTable::Place NameTable::place_of(std::uint32_t owner, const HashedName::Suffix& name) const {
  const std::uint64_t hash = hash_of(owner, name);
  const std::uint8_t tag = tag_of(hash);
  for (std::size_t group = first_group(hash);; group = group + 1 == tags_.size() ? 0 : group + 1) {
    const std::uint64_t tags = tags_[group];
    for (std::uint64_t left = find_bytes(tag, tags); left != 0; left &= left - 1) {
      const std::size_t slot = group * group_size + lowest_byte_of(left);
      if (holds(slots_[slot], owner, name.text)) return {slot, true};
    }
    const std::uint64_t unused = find_bytes(0, tags);
    if (unused != 0) return {group * group_size + lowest_byte_of(unused), false};
  }
}

std::uint32_t& NameTable::insert(std::uint32_t scope, Kind kind, std::string_view text) {
  assert(scope < std::uint32_t{1} << 31);
  const std::uint32_t owner = owner_of(scope, kind);
  const HashedName::Suffix name = HashedName(text, seed_).whole();
  const auto [slot, is_used] = place_of(owner, name);
  if (!is_used) {
    assert(free_ > 0);
    --free_;
    const std::uint64_t tag = tag_of(hash_of(owner, name));
    tags_[slot / group_size] |= tag << 8 * (slot % group_size);
    write(slots_[slot], owner, text);
  }
  return slots_[slot].value;
}

}  // namespace portshare
