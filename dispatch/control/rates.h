// How fast things go: the difference between two reports of a running program.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/duration_histogram.h"
#include "dispatch/control/program_report.h"

namespace portshare {

/// Per second.
struct Rates {
  double accepted = 0;
  double closed = 0;
  double refused = 0;  ///< OutcomeKind::refused, connections alone
  double failed = 0;   ///< OutcomeKind::failed
  double bytes_in = 0;
  double bytes_out = 0;
  double requests = 0;  ///< of HTTP
};

struct Quantiles {
  std::chrono::microseconds p50{0};
  std::chrono::microseconds p99{0};
};

/// One point of the plots.
struct Sample {
  std::chrono::system_clock::time_point time{};
  std::size_t connections = 0;
  Rates rates;
  std::optional<Quantiles> first_flight;  ///< none: there was none in this time
  std::optional<Quantiles> connect;
};

/// With its rates by number of MetricIds, for the tables.
struct SampleDetails {
  Sample sample;
  std::vector<Rates> listeners;
  std::vector<Rates> backends;
};

/// Takes report after report. Clocks that step do no harm: time is that of the loop.
class RateMeter {
 public:
  /// The rates since the last call; none for the first one.
  std::optional<SampleDetails> take(const ProgramReport& report, std::chrono::microseconds now);

 private:
  bool has_last_ = false;
  Counters last_;
  std::chrono::microseconds last_time_{0};
};

}  // namespace portshare
