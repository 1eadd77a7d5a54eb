// A loop on a simulated network, and how tests let time pass in it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "core/random.h"
#include "platform/loop.h"
#include "platform/simulated.h"

namespace portshare {

/// The one loop on which clients, the program under test and servers run.
class SimulatedWorld {
 public:
  explicit SimulatedWorld(std::uint64_t seed, const SimulatedFaults& faults = SimulatedFaults::none())
      : network(seed, faults), loop(std::make_unique<SimulatedBackend>(network)) {}

  /// Turns until `done`; false if that takes more than `longest` of virtual time, or so many turns that
  /// something must be spinning.
  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds longest) {
    constexpr std::size_t too_many_turns = 20'000'000;
    const auto deadline = network.now() + longest;
    for (std::size_t turn = 0; !done(); ++turn) {
      if (network.now() >= deadline || turn == too_many_turns) return false;
      loop.run_once(std::chrono::ceil<std::chrono::milliseconds>(deadline - network.now()));
    }
    return true;
  }

  [[nodiscard]] SimulatedBackend& simulated() { return static_cast<SimulatedBackend&>(loop.backend()); }

  /// Nothing is left behind: no socket, no op, no buffer.
  [[nodiscard]] bool is_clean() {
    return network.open_sockets() == 0 && loop.pending() == 0 && loop.buffers().outstanding() == 0;
  }

  SimulatedNetwork network;
  Loop loop;
};

}  // namespace portshare
