// What a run found, for people and for scripts.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bench/load_run.h"
#include "bench/load_settings.h"

namespace portshare {

/// "64 connections at a time in a closed loop, TLS ClientHello of 517 bytes, one name, 1 thread, io_uring".
[[nodiscard]] std::string describe_load(const LoadSettings& settings);

/// A table, in lines.
[[nodiscard]] std::string human_report(const LoadSettings& settings, const LoadResult& result);

/// The same, and the whole distributions; docs/portshare-bench.md lists the fields.
[[nodiscard]] nlohmann::ordered_json json_report(const LoadSettings& settings, const LoadResult& result);
/// The part about the result alone, and the part about the load and the machine alone.
[[nodiscard]] nlohmann::ordered_json json_of_result(const LoadSettings& settings, const LoadResult& result);
[[nodiscard]] nlohmann::ordered_json json_of_load(const LoadSettings& settings);
/// Times in microseconds, and the buckets as pairs of a value and how many values fell below it in that
/// bucket.
[[nodiscard]] nlohmann::ordered_json json_of_histogram(const Histogram& histogram);

/// Anything failed, or nothing at all came about: the exit code says so.
[[nodiscard]] bool has_failures(const LoadResult& result);

/// What one unit (a connection, a message, a GB) cost, in nanoseconds of CPU time. 0 if none was done.
[[nodiscard]] double generator_cpu_per_unit(const LoadSettings& settings, const LoadResult& result);
[[nodiscard]] double server_cpu_per_unit(const LoadSettings& settings, const LoadResult& result);
/// Bytes of the server's memory for each connection that is established at the end.
[[nodiscard]] double server_memory_per_connection(const LoadResult& result);

/// The quantiles that tables and JSON show, with the names that they have there.
struct NamedQuantile {
  const char* name;
  double share;
};
inline constexpr NamedQuantile reported_quantiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};

}  // namespace portshare
