// What a worker counts: plain numbers of its thread, which others get as a copy.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/busy_names.h"
#include "core/duration_histogram.h"
#include "dispatch/access_record.h"
#include "dispatch/control/metric_ids.h"
#include "dispatch/outcome.h"

namespace portshare {

using OutcomeCounts = std::array<std::uint64_t, outcome_count>;

struct BackendCounters {
  std::uint64_t bytes_in = 0;   ///< received from clients
  std::uint64_t bytes_out = 0;  ///< sent to clients
  std::uint64_t retries = 0;    ///< connects to another server after one had failed
  std::int64_t connected = 0;   ///< connections to its servers at present
  OutcomeCounts requests{};     ///< of HTTP
};

/// Numbers that can be added up over the workers. Vectors go by the numbers of MetricIds.
struct Counters {
  std::vector<std::uint64_t> accepted;  ///< by listener
  std::vector<BackendCounters> backends;
  std::vector<std::uint64_t> routes;  ///< connections and requests that a route has decided
  std::unordered_map<std::uint64_t, OutcomeCounts> closed;  ///< by closed_key()
  DurationHistogram first_flight;
  DurationHistogram connect;
  DurationHistogram connection;
  std::uint64_t accept_pauses = 0;  ///< because descriptors ran out, or accept failed

  static std::uint64_t closed_key(std::uint32_t listener, std::uint32_t backend) {
    return std::uint64_t{listener} << 32 | backend;
  }
  static std::uint32_t listener_of(std::uint64_t closed_key) {
    return static_cast<std::uint32_t>(closed_key >> 32);
  }
  static std::uint32_t backend_of(std::uint64_t closed_key) { return static_cast<std::uint32_t>(closed_key); }

  /// Room for everything that has a number by now.
  void make_room(const MetricIds& ids);
  void add(const Counters& other);
  /// Of all listeners and backends.
  [[nodiscard]] std::uint64_t accepted_in_total() const;
  [[nodiscard]] OutcomeCounts closed_in_total() const;
  [[nodiscard]] std::uint64_t closed_of_listener(std::uint32_t listener) const;
};

/// A connection or request that went wrong, for people to look at.
struct RecordedFailure {
  std::chrono::system_clock::time_point time;
  std::uint32_t listener = 0;                     ///< number
  std::uint32_t backend = MetricIds::no_backend;  ///< number
  Outcome outcome = Outcome::ok;
  std::optional<IpEndpoint> client;
  std::string server;  ///< its address; empty: none was asked
  std::string name;
};

/// The last ones. Memory is taken once.
class RecentFailures {
 public:
  static constexpr std::size_t capacity = 32;

  /// To be filled in; what was in it before must be overwritten.
  RecordedFailure& next() { return failures_[written_++ % capacity]; }
  /// From the oldest to the latest.
  [[nodiscard]] std::vector<RecordedFailure> list() const;

 private:
  std::array<RecordedFailure, capacity> failures_;
  std::size_t written_ = 0;
};

/// For one worker and its thread.
struct WorkerMetrics {
  Counters counters;
  BusyNames names;
  RecentFailures failures;
};

/// What a worker has given away at some moment.
struct WorkerReport {
  Counters counters;
  BusyNames::Counts names;
  std::vector<RecordedFailure> failures;
  std::size_t connections = 0;
  std::uint64_t loop_turns = 0;
  std::size_t buffers = 0;  ///< of received bytes, in use
  std::size_t pipes = 0;    ///< likewise
  std::uint64_t access_records_lost = 0;
  bool is_accepting = true;
  bool is_stuck = false;  ///< it does not come round, and the rest here is what it said last
};

}  // namespace portshare
