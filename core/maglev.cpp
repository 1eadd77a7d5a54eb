#include "core/maglev.h"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "core/random.h"
#include "core/siphash.h"
#include "core/source_table.h"

namespace portshare {

namespace {

constexpr std::uint32_t unused = UINT32_MAX;

/// FNV-1a of 64 bits (Fowler, Noll, Vo), whose bits mix_bits() spreads.
std::uint64_t hash_of_name(std::string_view name, std::uint64_t seed) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return mix_bits(hash + seed);
}

/// A server's order of preference among the slots: all of them, from `next` on in steps of `step`, because
/// the number of slots is prime.
struct Preference {
  std::uint32_t server;
  std::uint32_t next;
  std::uint32_t step;
  std::uint32_t weight;
  std::uint64_t claims = 0;  ///< grows by the weight in each round, and falls by the heaviest with each slot
};

}  // namespace

MaglevTable::MaglevTable(std::span<const MaglevServer> servers) {
  assert(!servers.empty());
  const std::uint32_t size = servers.size() <= small_size / 100 ? small_size : big_size;
  std::vector<std::uint32_t> order(servers.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, {}, [&](std::uint32_t index) { return servers[index].name; });

  std::vector<Preference> preferences;
  preferences.reserve(servers.size());
  std::uint32_t heaviest = 0;
  for (const std::uint32_t index : order) {
    const MaglevServer& server = servers[index];
    heaviest = std::max(heaviest, server.weight);
    preferences.push_back(
        {.server = index,
         .next = static_cast<std::uint32_t>(hash_of_name(server.name, 0) % size),
         .step = static_cast<std::uint32_t>(hash_of_name(server.name, 0x9e3779b97f4a7c15U) % (size - 1) + 1),
         .weight = server.weight});
  }

  slots_.assign(size, unused);
  std::uint32_t filled = 0;
  while (filled < size) {
    for (Preference& preference : preferences) {
      preference.claims += preference.weight;
      if (preference.claims < heaviest) continue;
      preference.claims -= heaviest;
      while (slots_[preference.next] != unused) preference.next = (preference.next + preference.step) % size;
      slots_[preference.next] = preference.server;
      if (++filled == size) break;
    }
  }
}

std::uint32_t MaglevTable::slot(std::uint64_t hash, std::uint32_t attempt) const {
  // The first attempt takes the hash as it is, so that each source has one slot wherever it is asked for.
  const std::uint64_t number = attempt == 0 ? hash : mix_bits(hash + attempt * 0x9e3779b97f4a7c15U);
  return slots_[number % slots_.size()];
}

std::uint64_t hash_of_source(const IpAddress& source) {
  constexpr SipKey key{0x706f727473686172U, 0x6d61676c65762e31U};  // fixed: every node is to agree
  return siphash(key, SourceTable::source_of(source).bytes());
}

}  // namespace portshare
