// What tests over many seeds share. A failing seed is printed and replays: PORTSHARE_SIMULATION_SEED=N runs
// that one alone, PORTSHARE_SIMULATION_SEEDS=N sets how many there are, PORTSHARE_SIMULATION_TRACE=1 shows
// every completion.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "core/random.h"
#include "platform/simulated_faults.h"
#include "tests/simulation/scripted_peer.h"

namespace portshare {

struct SeedRange {
  std::uint64_t first;
  std::uint64_t last;
};

inline SeedRange seeds(std::uint64_t usual_count) {
  const auto number = [](const char* variable) -> std::optional<std::uint64_t> {
    const char* text = std::getenv(variable);
    return text ? std::optional(std::strtoull(text, nullptr, 10)) : std::nullopt;
  };
  if (const auto only = number("PORTSHARE_SIMULATION_SEED")) return {*only, *only};
  return {1, number("PORTSHARE_SIMULATION_SEEDS").value_or(usual_count)};
}

/// Executes a Run for each seed, with faults or without, until one fails.
template <typename Run>
void run_seeds(std::uint64_t usual_count, bool with_faults) {
  const SeedRange range = seeds(usual_count);
  for (std::uint64_t seed = range.first; seed <= range.last; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Run(seed, with_faults).execute();
    if (testing::Test::HasFailure()) return;
  }
}

/// How much a run sends: where the network moves a few bytes at a time, little, or it would take for ever.
inline std::size_t body_limit(const SimulatedFaults& faults) {
  const std::size_t step = std::min({faults.send_buffer, faults.receive_buffer, faults.chunk_max});
  return std::clamp<std::size_t>(100 * step, 100, 200'000);
}

inline std::string draw_body(Random& random, std::size_t limit) {
  return random_bytes(
      random, random.chance(1, 5) ? random.below(limit) : random.below(std::min<std::size_t>(limit, 3'000)));
}

}  // namespace portshare
