// Eight bytes at a time in a 64-bit number.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace portshare {

/// The highest bit of every byte of `word` that is `wanted`: exact up to and with the lowest such byte. Above
/// it a byte that differs by one may count too, so what is found there needs a second look.
constexpr std::uint64_t find_bytes(std::uint8_t wanted, std::uint64_t word) {
  constexpr std::uint64_t every_byte = 0x0101010101010101U;
  const std::uint64_t zero_where_found = word ^ every_byte * wanted;
  return (zero_where_found - every_byte) & ~zero_where_found & every_byte * 0x80;
}

/// The number of the lowest byte that find_bytes() has found; `found` is not 0.
constexpr std::size_t lowest_byte_of(std::uint64_t found) {
  return static_cast<std::size_t>(std::countr_zero(found)) / 8;
}

}  // namespace portshare
