// Runs a load on its threads, and measures.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/clock.h"
#include "bench/load_settings.h"
#include "bench/statistics.h"

namespace portshare {

struct LoadResult {
  Statistics statistics;
  nanoseconds elapsed{};
  /// CPU time within that time: of this process, of the server's, and of everything else on this machine,
  /// which is noise.
  nanoseconds generator_cpu{};
  std::optional<nanoseconds> server_cpu;
  nanoseconds other_cpu{};
  /// Of the server (PSS), in bytes: before the first connection, and at the end, with all of them.
  std::optional<std::uint64_t> server_memory_before;
  std::optional<std::uint64_t> server_memory;
  std::uint64_t overdue = 0;  ///< open loop: arrivals whose time had come and that had not started at the end
  bool was_interrupted = false;

  /// How many of unit_of(kind) were done.
  [[nodiscard]] double units(LoadKind kind) const;
};

struct LoadProgress {
  nanoseconds elapsed{};
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;
  std::uint64_t bytes = 0;  ///< in both directions
};

/// Called once a second.
using ProgressObserver = std::function<void(const LoadProgress&)>;

/// Processes on this machine that take part, each with all under it.
struct TakingPart {
  std::vector<int> servers = {};  ///< what is measured
  std::vector<int> helpers = {};  ///< such as the servers behind a proxy: no noise, and not measured
};

/// Runs to the end of the duration or count, or until SIGINT or SIGTERM, which must be blocked
/// (block_signals). The error is a sentence.
[[nodiscard]] std::expected<LoadResult, std::string> run_load(const LoadSettings& settings,
                                                              const TakingPart& processes = {},
                                                              const ProgressObserver& observer = nullptr);

}  // namespace portshare
