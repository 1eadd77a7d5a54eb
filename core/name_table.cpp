#include "core/name_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/host_name.h"
#include "core/random.h"

namespace portshare {
namespace {

constexpr std::uint64_t every_byte = 0x0101010101010101U;

/// The 8 bytes from `start` on.
std::uint64_t load_little_endian(std::string_view text, std::size_t start) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    word |= std::uint64_t{static_cast<unsigned char>(text[start + i])} << 8 * i;
  }
  return word;
}

/// The bytes in front of `end`, at most 8, the last one highest; zero below them. Reads within `text` only.
std::uint64_t word_before(std::string_view text, std::size_t end) {
  if (end >= 8) return load_little_endian(text, end - 8);
  if (text.size() >= 8) return load_little_endian(text, 0) << 8 * (8 - end);
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < end; ++i)
    word = word >> 8 | std::uint64_t{static_cast<unsigned char>(text[i])} << 56;
  return word;
}

/// The highest bit of every byte of `word` that is a dot, and no other bit.
std::uint64_t dots_in(std::uint64_t word) {
  constexpr std::uint64_t low_bits = every_byte * 0x7f;
  const std::uint64_t zero_where_dot = word ^ every_byte * '.';
  return ~(((zero_where_dot & low_bits) + low_bits) | zero_where_dot | low_bits);
}

std::uint64_t combine(std::uint64_t hash, std::uint64_t chunk) {
  hash = (hash ^ chunk) * 0x9fb21c651e98df25U;
  return hash ^ hash >> 32;
}

/// Scope and kind as one number.
std::uint64_t owner_of(std::uint32_t scope, NameTable::Kind kind) {
  return std::uint64_t{scope} << 1 | (kind == NameTable::Kind::wildcard ? 1U : 0U);
}

std::uint64_t slot_hash(std::uint64_t owner, const HashedName::Suffix& name) {
  return mix_bits(name.hash ^ owner * 0x9e3779b97f4a7c15U);
}

std::uint32_t fingerprint_of(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash & UINT32_MAX);
}

// An entry of texts_: the owner, the length, the text.
constexpr std::size_t entry_header = 6;
void write_header(std::array<char, entry_header>& header, std::uint64_t owner, std::size_t length) {
  for (std::size_t i = 0; i < 5; ++i) header[i] = static_cast<char>(owner >> 8 * i & 0xff);
  header[5] = static_cast<char>(length);
}

}  // namespace

// Chunks of up to 8 bytes, never across a dot, from the right: a suffix has the same chunks whether it stands
// alone or at the end of a longer name.
HashedName::HashedName(std::string_view name, std::uint64_t seed) : name_(name) {
  assert(!name.empty() && name.size() <= HostName::max_length);
  std::uint64_t hash = seed;
  for (std::size_t end = name.size(); end > 0;) {
    const std::uint64_t word = word_before(name, end);
    const std::uint64_t dots = dots_in(word);
    const std::size_t length =
        dots != 0 ? static_cast<std::size_t>(std::countl_zero(dots)) / 8 : std::min<std::size_t>(end, 8);
    if (length != 0) hash = combine(hash, word >> 8 * (8 - length));
    end -= length;
    if (dots != 0) {
      starts_[count_++] = {hash, end};
      hash += every_byte;  // "a.b" is not "ab"
      --end;
    }
  }
  starts_[count_++] = {hash, 0};
}

void NameTable::Depths::add(std::string_view wildcard) {
  mask_ |= bit(static_cast<std::size_t>(std::ranges::count(wildcard, '.')) + 1);
}

NameTable::NameTable(std::size_t max_names, std::size_t text_bytes, std::uint64_t seed)
    : slots_(2 * max_names + 1), seed_(seed), free_(max_names) {
  assert(slots_.size() < UINT32_MAX);
  texts_.reserve(text_bytes + max_names * entry_header);
}

bool NameTable::entry_is(std::uint32_t entry, std::uint64_t owner, std::string_view text) const {
  std::array<char, entry_header>
      header;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by the next line
  write_header(header, owner, text.size());
  const char* const bytes = texts_.data() + entry;
  // The header first: it holds the length, which says how much may be read.
  return std::memcmp(bytes, header.data(), header.size()) == 0 &&
         std::memcmp(bytes + header.size(), text.data(), text.size()) == 0;
}

std::size_t NameTable::slot_of(std::uint32_t scope, Kind kind, const HashedName::Suffix& name) const {
  const std::uint64_t owner = owner_of(scope, kind);
  const std::uint64_t hash = slot_hash(owner, name);
  const std::uint32_t fingerprint = fingerprint_of(hash);
  // The upper half of the hash as a fraction of the table.
  for (std::size_t i = (hash >> 32) * slots_.size() >> 32;; i = i + 1 == slots_.size() ? 0 : i + 1) {
    const Slot& slot = slots_[i];
    if (slot.entry == unused) return i;
    if (slot.fingerprint == fingerprint && entry_is(slot.entry, owner, name.text)) return i;
  }
}

std::uint32_t& NameTable::insert(std::uint32_t scope, Kind kind, std::string_view text) {
  const HashedName::Suffix name = HashedName(text, seed_).whole();
  Slot& slot = slots_[slot_of(scope, kind, name)];
  if (slot.entry == unused) {
    assert(free_ > 0 && texts_.size() < unused);
    --free_;
    const std::uint64_t owner = owner_of(scope, kind);
    slot.fingerprint = fingerprint_of(slot_hash(owner, name));
    slot.entry = static_cast<std::uint32_t>(texts_.size());
    std::array<char, entry_header>
        header;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by the next line
    write_header(header, owner, text.size());
    texts_.insert(texts_.end(), header.begin(), header.end());
    texts_.insert(texts_.end(), text.begin(), text.end());
  }
  return slot.value;
}

}  // namespace portshare
