// What the simulated network does to the programs that run on it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/random.h"

namespace portshare {

/// One knob per fault. Probabilities are per mille of the occasions on which the fault could happen. The
/// defaults are those of `none`.
struct SimulatedFaults {
  // Time.
  std::chrono::microseconds latency_min{20};  ///< of a chunk of bytes, a SYN, a FIN or a reset, one way
  std::chrono::microseconds latency_max{20};
  std::chrono::microseconds completion_delay_max{0};  ///< from when an op could complete to when it does
  std::size_t batch_max = SIZE_MAX;  ///< completions per turn; each turn draws its own number
  bool shuffled = false;           ///< completions of a batch come in any order, but for those of one socket
  std::uint32_t early_return = 0;  ///< a turn ends with nothing before anything happened

  // Streams.
  std::size_t send_buffer = std::size_t{256} * 1024;     ///< bytes that a socket takes before its peer does
  std::size_t receive_buffer = std::size_t{256} * 1024;  ///< bytes that wait for being received
  std::size_t chunk_max = std::size_t{64} * 1024;        ///< bytes that travel together
  std::uint32_t partial_send = 0;                        ///< a send takes less than it could
  std::uint32_t partial_receive = 0;                     ///< a receive brings less than there is
  std::uint32_t end_announced = 0;                       ///< a receive that brings the last bytes says so

  // Cancellation.
  std::chrono::microseconds cancel_delay_max{0};
  std::uint32_t late_cancel = 0;  ///< the op completes after all if it can at that moment

  // Connections.
  std::size_t backlog = 511;
  std::uint32_t connect_refused = 0;
  std::uint32_t connect_unreachable = 0;
  std::uint32_t connect_silent = 0;  ///< never answered: times out after SimulatedNetwork::connect_gives_up
  std::uint32_t connect_slow = 0;
  std::chrono::microseconds slow_connect_max{0};
  std::uint32_t connect_half_open = 0;  ///< a cancelled connect that the server sees all the same, then reset
  std::uint32_t reset_in_queue = 0;     ///< per connection: dies before it is accepted
  std::uint32_t reset = 0;              ///< per chunk delivered: both ends see a reset
  /// An arriving reset also discards what had been received but not read (BSD, Windows; Linux keeps it).
  std::uint32_t reset_discards_received = 0;
  /// Only the first op after a reset reports it; later receives read the end of the stream, as on Linux.
  std::uint32_t reset_reported_once = 0;

  // Resources.
  std::uint32_t no_descriptors = 0;  ///< per accept and connect
  std::uint32_t no_ports = 0;        ///< per connect, which ends with no_resources
  std::uint32_t no_buffers = 0;      ///< per receive
  std::uint32_t no_pipes = 0;        ///< per bulk receive, which then uses a buffer
  std::size_t descriptor_limit = SIZE_MAX;

  /// A well-behaved network.
  static SimulatedFaults none() { return {}; }
  /// Everything that a healthy network and system may do: delays, transfers in parts, small buffers, any
  /// order. Nothing fails, and a stream that is closed in order arrives whole.
  static SimulatedFaults draw_harmless(Random& random);
  /// Draws which faults exist in this run and how often they come; most runs have a few, so that runs get far
  /// enough for rare combinations (swarm testing: Groce et al., ISSTA 2012).
  static SimulatedFaults draw(Random& random);
};

}  // namespace portshare
