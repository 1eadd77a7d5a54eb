// Several servers under the same load, in turn: what one costs in terms of the other.
#pragma once

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load_run.h"
#include "bench/load_settings.h"

namespace portshare {

/// A server that takes part, as the command line names it.
struct Contestant {
  std::string name;
  std::vector<std::string> targets;
  std::vector<int> pids;
  std::string command;  ///< starts it anew for each round; empty: it runs already
};

/// "NAME=TARGET[,TARGET]...[,pid=PID]...[,command=COMMAND]", where the command takes the rest. The error is a
/// sentence.
[[nodiscard]] std::expected<Contestant, std::string> parse_contestant(std::string_view text);

/// Which contestant comes at which place of a round: each round begins with another one, so that none always
/// runs first, when the machine is in another state.
[[nodiscard]] std::vector<std::size_t> order_of_round(std::size_t round, std::size_t contestants);

/// Median and spread.
struct Spread {
  double median = 0;
  double least = 0;
  double most = 0;
};
[[nodiscard]] Spread spread_of(std::vector<double> values);

/// Each value over the one of the same round: what disturbs a whole round disturbs both. Rounds without a
/// value (0) on either side are left out.
[[nodiscard]] std::vector<double> paired_ratios(std::span<const double> values, std::span<const double> base);

/// Something that is compared.
struct Metric {
  std::string name;  ///< in JSON: "server_cpu_us_per_unit"
  std::string text;  ///< in the table: "server CPU, µs per connection"
  bool more_is_better = false;
  double (*of)(const LoadSettings& settings, const LoadResult& result);
};
/// Those that this load has; without those of the server's process, unless it is known.
[[nodiscard]] std::vector<Metric> metrics_of(const LoadSettings& settings, bool knows_processes);

/// All rounds of one contestant.
struct Series {
  Contestant contestant;
  std::vector<LoadResult> rounds;

  [[nodiscard]] std::vector<double> values(const Metric& metric, const LoadSettings& settings) const;
  [[nodiscard]] Histogram latency() const;  ///< of all rounds
};

/// In lines; the first series is what the others are compared with.
[[nodiscard]] std::string human_comparison(const LoadSettings& settings, std::span<const Series> series);
/// docs/portshare-bench.md lists the fields.
[[nodiscard]] nlohmann::ordered_json json_comparison(const LoadSettings& settings,
                                                     std::span<const Series> series);

}  // namespace portshare
