#include "core/cidr_table.h"

#include <array>
#include <bit>

namespace portshare {

CidrTable::Address CidrTable::Address::of(const IpAddress& address) {
  const auto [high, low] = std::bit_cast<std::array<std::uint64_t, 2>>(address.bytes());
  if constexpr (std::endian::native == std::endian::big) return {high, low};
  return {std::byteswap(high), std::byteswap(low)};
}

CidrTable::Address CidrTable::Address::masked(std::size_t bits) const {
  constexpr std::uint64_t all = UINT64_MAX;
  if (bits == 0) return {0, 0};
  if (bits <= 64) return {high & all << (64 - bits), 0};
  return {high, low & all << (128 - bits)};
}

IpPrefix CidrTable::Key::prefix() const {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i) & 0xff);
    bytes[i + 8] = static_cast<std::uint8_t>(low >> (56 - 8 * i) & 0xff);
  }
  const IpAddress base = IpAddress::v6(bytes);
  const std::size_t bits = scope_and_bits & 0xff;
  return {base, static_cast<std::uint8_t>(base.is_v4() ? bits - v4_offset : bits)};
}

CidrTable::CidrTable(std::size_t max_prefixes, std::uint64_t seed)
    : hash_slots_(max_prefixes), slots_(hash_slots_.size()), seed_(seed) {}

std::uint32_t CidrTable::find(const Key& key) const {
  const HashSlots::Place place = place_of(key);
  return place.is_used ? slots_[place.slot].value : no_value;
}

std::uint32_t& CidrTable::insert(std::uint64_t scope, const IpPrefix& prefix) {
  const Key key = Key::of(scope, Address::of(prefix.base), bit_length(prefix));
  const auto [slot, is_used] = place_of(key);
  if (!is_used) {
    hash_slots_.use(slot, hash_of(key));
    slots_[slot].key = key;
  }
  return slots_[slot].value;
}

}  // namespace portshare
