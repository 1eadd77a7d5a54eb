// What one thread of a load measures, and what all of them together measured.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/histogram.h"
#include "platform/op.h"

namespace portshare {

/// Why a connection, message or reply did not come about.
enum class ErrorKind : std::uint8_t {
  refused,         ///< nobody listens there
  reset,           ///< the connection was reset
  timeout,         ///< not done within the time that was given for it
  ended_early,     ///< the stream ended before the reply was complete
  unreachable,     ///< no route to the host, or the network is down
  no_source_port,  ///< our own ports to that address are used up
  shortage,        ///< we are out of descriptors or memory
  failed,          ///< anything else
};
constexpr std::size_t error_kind_count = 8;

/// "refused", "no_source_port": the name in the JSON report. And in words, for people.
[[nodiscard]] std::string_view to_string(ErrorKind kind);
[[nodiscard]] std::string_view describe(ErrorKind kind);

/// The kind of an operation that has failed.
[[nodiscard]] ErrorKind error_of(const Op& op);

/// What became of clients that send their first bytes slowly.
struct SlowClients {
  std::uint64_t opened = 0;
  std::uint64_t answered = 0;  ///< sent all of their first bytes and got a reply
  std::uint64_t cut_off = 0;   ///< ended by the server before that
  std::uint64_t failed = 0;    ///< did not connect

  void merge(const SlowClients& other) {
    opened += other.opened;
    answered += other.answered;
    cut_off += other.cut_off;
    failed += other.failed;
  }
};

/// All times are in nanoseconds.
struct Statistics {
  /// Longer ones are counted as this.
  static constexpr std::uint64_t longest_ns = std::uint64_t{600} * 1'000'000'000;

  Histogram latency{longest_ns};      ///< of what the load is about
  Histogram connect{longest_ns};      ///< from the start of a connection until it is established
  Histogram start_delay{longest_ns};  ///< open loop: how long after its time each one started
  std::uint64_t completed = 0;        ///< connections or messages, as the load has it
  std::uint64_t dropped = 0;          ///< idle: established connections that did not stay
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::array<std::uint64_t, error_kind_count> errors{};
  SlowClients slow;

  void count_error(ErrorKind kind) { ++errors[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] std::uint64_t failed() const;
  void merge(const Statistics& other);
  void clear() { *this = Statistics(); }
};

}  // namespace portshare
