// SipHash-2-4 of Aumasson and Bernstein ("SipHash: a fast short-input PRF", 2012), for hash tables whose keys
// strangers choose: without the secret key nobody can find keys that collide.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace portshare {

using SipKey = std::array<std::uint64_t, 2>;

/// Of exactly 16 bytes, which is what an address has.
constexpr std::uint64_t siphash(const SipKey& key, const std::array<std::uint8_t, 16>& bytes) {
  std::uint64_t v0 = key[0] ^ 0x736f6d6570736575U;
  std::uint64_t v1 = key[1] ^ 0x646f72616e646f6dU;
  std::uint64_t v2 = key[0] ^ 0x6c7967656e657261U;
  std::uint64_t v3 = key[1] ^ 0x7465646279746573U;
  const auto round = [&] {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  };
  const auto compress = [&](std::uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  };
  for (std::size_t start = 0; start < bytes.size(); start += 8) {
    std::uint64_t word = 0;
    for (std::size_t i = 8; i-- > 0;) word = word << 8 | bytes[start + i];
    compress(word);
  }
  compress(std::uint64_t{bytes.size()} << 56);
  v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace portshare
