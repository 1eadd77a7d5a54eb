// Addresses among 10, 10,000 and a million prefixes.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <vector>

#include "core/cidr_table.h"
#include "core/random.h"

namespace portshare::bench {
namespace {

constexpr std::size_t key_count = std::size_t{1} << 18;

using Bytes = std::array<std::uint8_t, 16>;

Bytes random_bytes(Random& random) {
  Bytes bytes{};
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.below(256));
  bytes[0] = 0x20;  // global unicast, in IPv6
  return bytes;
}

/// Lengths as in the routing table of the Internet: 24 and 48 more often than all others.
std::size_t random_length(Random& random, bool v4) {
  static constexpr std::array<std::uint8_t, 8> v4_lengths{12, 16, 19, 20, 21, 22, 23, 32};
  static constexpr std::array<std::uint8_t, 8> v6_lengths{32, 36, 40, 44, 46, 47, 56, 128};
  if (random.chance(3, 5)) return v4 ? 24 : 48;
  return (v4 ? v4_lengths : v6_lengths)[random.below(v4_lengths.size())];
}

IpAddress address_of(const Bytes& bytes, bool v4) {
  return v4 ? IpAddress::v4({bytes[1], bytes[2], bytes[3], bytes[4]}) : IpAddress::v6(bytes);
}

IpPrefix prefix_of(const Bytes& bytes, std::size_t length, bool v4) {
  Bytes cut = address_of(bytes, v4).bytes();
  for (std::size_t bit = v4 ? length + 96 : length; bit < 128; ++bit) {
    cut[bit / 8] = static_cast<std::uint8_t>(cut[bit / 8] & ~(0x80U >> bit % 8));
  }
  return {IpAddress::v6(cut), static_cast<std::uint8_t>(length)};
}

/// Addresses of random prefixes that are in the table.
void cidr_table(benchmark::State& state, bool v4) {
  const auto count = static_cast<std::size_t>(state.range(0));
  Random random(7);
  CidrTable table(count, 0x5eed);
  CidrTable::Lengths lengths;
  std::vector<Bytes> bases;
  bases.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    bases.push_back(random_bytes(random));
    const IpPrefix prefix = prefix_of(bases.back(), random_length(random, v4), v4);
    table.insert(0, prefix) = static_cast<std::uint32_t>(i);
    lengths.add(prefix);
  }
  std::vector<IpAddress> keys;
  keys.reserve(key_count);
  for (std::size_t i = 0; i < key_count; ++i) {
    keys.push_back(address_of(bases[random.below(count)], v4));
  }

  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    const bool found = table.visit(0, lengths, keys[i], [](const IpPrefix&, std::uint32_t) { return true; });
    if (!found) state.SkipWithError("a wrong answer");
    if (++i == keys.size()) i = 0;
  }
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(10)->Arg(10'000)->Arg(1'000'000);
}
BENCHMARK_CAPTURE(cidr_table, v4, true)->Apply(sizes);
BENCHMARK_CAPTURE(cidr_table, v6, false)->Apply(sizes);

}  // namespace
}  // namespace portshare::bench
