#include "core/cidr_table.h"

#include <cassert>

#include "core/random.h"

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
    : slots_(std::bit_ceil(2 * max_prefixes + 1)), seed_(seed), free_(max_prefixes) {}

std::size_t CidrTable::first_slot(const Key& key) const {
  const std::uint64_t scoped = mix_bits(key.scope_and_bits ^ seed_);
  return mix_bits(key.low ^ mix_bits(key.high ^ scoped)) & (slots_.size() - 1);
}

std::uint32_t CidrTable::find(const Key& key) const {
  for (std::size_t i = first_slot(key); slots_[i].used; i = (i + 1) & (slots_.size() - 1)) {
    if (slots_[i].key == key) return slots_[i].value;
  }
  return no_value;
}

std::uint32_t& CidrTable::insert(std::uint64_t scope, const IpPrefix& prefix) {
  const Key key = Key::of(scope, Address::of(prefix.base), bit_length(prefix));
  std::size_t i = first_slot(key);
  while (slots_[i].used && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
  if (!slots_[i].used) {
    assert(free_ > 0);
    --free_;
    slots_[i] = {key, no_value, true};
  }
  return slots_[i].value;
}

}  // namespace portshare
