#include "platform/simulated_faults.h"

#include <array>

namespace portshare {

using std::chrono::microseconds;

namespace {

bool one_in(Random& random, std::uint64_t count) {
  return random.chance(1, count);
}

/// Magnitudes matter more than values: each power of two is as likely as the next.
std::size_t draw_size(Random& random, unsigned smallest_bits, unsigned largest_bits) {
  const auto bits = smallest_bits + random.below(largest_bits - smallest_bits + 1);
  return (std::size_t{1} << bits) + random.below(std::uint64_t{1} << bits);
}

microseconds draw_time(Random& random, unsigned largest_bits) {
  return microseconds{random.below(std::uint64_t{1} << random.below(largest_bits + 1))};
}

/// Off in half of the runs, else up to `largest` per mille.
std::uint32_t draw_probability(Random& random, std::uint32_t largest) {
  return one_in(random, 2) ? 0 : static_cast<std::uint32_t>(1 + random.below(largest));
}

}  // namespace

SimulatedFaults SimulatedFaults::draw_harmless(Random& random) {
  SimulatedFaults faults;
  faults.latency_min = draw_time(random, 12);
  faults.latency_max = faults.latency_min + draw_time(random, 14);
  faults.completion_delay_max = draw_time(random, 10);
  if (one_in(random, 2)) faults.batch_max = 1 + random.below(16);
  faults.shuffled = !one_in(random, 4);
  faults.early_return = draw_probability(random, 100);
  // Tiny buffers make every transfer wait for the other side; large ones let whole messages through.
  faults.send_buffer = draw_size(random, 0, 18);
  faults.receive_buffer = draw_size(random, 0, 18);
  faults.chunk_max = draw_size(random, 0, 16);
  faults.partial_send = draw_probability(random, 1000);
  faults.partial_receive = draw_probability(random, 1000);
  faults.cancel_delay_max = draw_time(random, 12);
  faults.late_cancel = draw_probability(random, 1000);
  faults.connect_half_open = draw_probability(random, 1000);
  faults.connect_slow = draw_probability(random, 300);
  faults.slow_connect_max = draw_time(random, 21);
  faults.reset_discards_received = draw_probability(random, 1000);
  faults.reset_reported_once = draw_probability(random, 1000);
  faults.no_pipes = draw_probability(random, 1000);
  faults.end_announced = draw_probability(random, 1000);
  return faults;
}

SimulatedFaults SimulatedFaults::draw(Random& random) {
  SimulatedFaults faults = draw_harmless(random);
  // A failure that is as likely as not to end every connection early would hide what comes later.
  constexpr std::array<std::uint32_t, 4> severity{0, 10, 50, 300};
  const std::uint32_t largest = severity[random.below(severity.size())];
  if (largest == 0) return faults;
  faults.connect_refused = draw_probability(random, largest);
  faults.connect_unreachable = draw_probability(random, largest);
  faults.connect_silent = draw_probability(random, largest);
  faults.reset_in_queue = draw_probability(random, largest);
  faults.reset = draw_probability(random, largest);
  faults.no_descriptors = draw_probability(random, largest);
  faults.no_ports = draw_probability(random, largest);
  faults.no_buffers = draw_probability(random, largest);
  if (one_in(random, 4)) faults.backlog = 1 + random.below(8);
  if (one_in(random, 4)) faults.descriptor_limit = 8 + random.below(64);
  return faults;
}

}  // namespace portshare
