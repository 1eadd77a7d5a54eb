#include "bench/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/quantities.h"
#include "bench/report.h"

namespace portshare {
namespace {

using Error = std::unexpected<std::string>;
using Json = nlohmann::ordered_json;

std::optional<int> parse_pid(std::string_view text) {
  int pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc{} || end != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

double throughput(const LoadSettings& settings, const LoadResult& result) {
  const double seconds = as_seconds(result.elapsed);
  return seconds > 0 ? result.units(settings.kind) / seconds : 0;
}
double server_cpu_us(const LoadSettings& settings, const LoadResult& result) {
  return server_cpu_per_unit(settings, result) / 1e3;
}
double all_cpu_us(const LoadSettings& settings, const LoadResult& result) {
  return (server_cpu_per_unit(settings, result) + generator_cpu_per_unit(settings, result)) / 1e3;
}
double server_cpu_seconds(const LoadSettings& settings, const LoadResult& result) {
  return server_cpu_us(settings, result) / 1e6;
}
double all_cpu_seconds(const LoadSettings& settings, const LoadResult& result) {
  return all_cpu_us(settings, result) / 1e6;
}
template <int per_mille>
double latency_us(const LoadSettings& /*settings*/, const LoadResult& result) {
  return static_cast<double>(result.statistics.latency.quantile(per_mille / 1000.0)) / 1e3;
}
double memory_bytes(const LoadSettings& /*settings*/, const LoadResult& result) {
  return server_memory_per_connection(result);
}

std::string format_spread(const Spread& spread) {
  return fmt::format("{:>9}  ({} … {})", format_number(spread.median), format_number(spread.least),
                     format_number(spread.most));
}

Json json_of(const Spread& spread) {
  return {{"median", spread.median}, {"min", spread.least}, {"max", spread.most}};
}

std::uint64_t failures_of(const Series& series) {
  std::uint64_t failures = 0;
  for (const LoadResult& round : series.rounds)
    failures += round.statistics.failed() + round.statistics.dropped;
  return failures;
}

/// CPUs that were busy with other things, which is noise.
Spread noise_of(std::span<const Series> series) {
  std::vector<double> noise;
  for (const Series& each : series)
    for (const LoadResult& round : each.rounds)
      if (round.elapsed > nanoseconds{})
        noise.push_back(as_seconds(round.other_cpu) / as_seconds(round.elapsed));
  return spread_of(std::move(noise));
}

bool all_have_processes(std::span<const Series> series) {
  return std::ranges::all_of(series, [](const Series& each) {
    return std::ranges::all_of(each.rounds,
                               [](const LoadResult& round) { return round.server_cpu.has_value(); });
  });
}

}  // namespace

std::expected<Contestant, std::string> parse_contestant(std::string_view text) {
  constexpr std::string_view pid_key = "pid=";
  constexpr std::string_view command_key = "command=";
  const std::string whole(text);
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    return Error(fmt::format("--server: '{}' is not NAME=TARGET[,pid=PID][,command=COMMAND]", whole));
  Contestant contestant;
  contestant.name = text.substr(0, equals);
  text.remove_prefix(equals + 1);
  while (!text.empty()) {
    if (text.starts_with(command_key)) {
      contestant.command = text.substr(command_key.size());
      break;
    }
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(item.size() + 1, text.size()));
    if (!item.starts_with(pid_key)) {
      contestant.targets.emplace_back(item);
      continue;
    }
    const auto pid = parse_pid(item.substr(pid_key.size()));
    if (!pid) return Error(fmt::format("--server: '{}' has no process id in '{}'", whole, item));
    contestant.pids.push_back(*pid);
  }
  if (contestant.targets.empty()) return Error(fmt::format("--server: '{}' has no target", whole));
  return contestant;
}

std::vector<std::size_t> order_of_round(std::size_t round, std::size_t contestants) {
  std::vector<std::size_t> order;
  order.reserve(contestants);
  for (std::size_t i = 0; i < contestants; ++i) order.push_back((round + i) % contestants);
  return order;
}

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {.median = median, .least = values.front(), .most = values.back()};
}

std::vector<double> paired_ratios(std::span<const double> values, std::span<const double> base) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(values.size(), base.size()); ++i)
    if (values[i] != 0 && base[i] != 0) ratios.push_back(values[i] / base[i]);
  return ratios;
}

std::vector<Metric> metrics_of(const LoadSettings& settings, bool knows_processes) {
  const std::string_view unit = unit_of(settings.kind);
  std::vector<Metric> metrics;
  if (settings.kind == LoadKind::idle) {
    if (knows_processes)
      metrics.push_back(
          {"server_memory_bytes_per_connection", "server memory, bytes per connection", false, memory_bytes});
  } else {
    metrics.push_back(
        {"per_second",
         settings.kind == LoadKind::bulk ? "GB per second" : fmt::format("{}s per second", unit), true,
         throughput});
  }
  if (knows_processes && settings.kind == LoadKind::bulk) {
    metrics.push_back({"server_cpu_seconds_per_gb", "server CPU, s per GB", false, server_cpu_seconds});
    metrics.push_back(
        {"all_cpu_seconds_per_gb", "server and generator CPU, s per GB", false, all_cpu_seconds});
  } else if (knows_processes) {
    metrics.push_back(
        {"server_cpu_us_per_unit", fmt::format("server CPU, µs per {}", unit), false, server_cpu_us});
    metrics.push_back(
        {"all_cpu_us_per_unit", fmt::format("server and generator CPU, µs per {}", unit), false, all_cpu_us});
  }
  if (settings.kind != LoadKind::bulk) {
    metrics.push_back({"latency_p50_us", "latency p50, µs", false, latency_us<500>});
    metrics.push_back({"latency_p99_us", "latency p99, µs", false, latency_us<990>});
    metrics.push_back({"latency_p99.9_us", "latency p99.9, µs", false, latency_us<999>});
  }
  return metrics;
}

std::vector<double> Series::values(const Metric& metric, const LoadSettings& settings) const {
  std::vector<double> values;
  values.reserve(rounds.size());
  for (const LoadResult& round : rounds) values.push_back(metric.of(settings, round));
  return values;
}

Histogram Series::latency() const {
  Histogram all(Statistics::longest_ns);
  for (const LoadResult& round : rounds) all.merge(round.statistics.latency);
  return all;
}

std::string human_comparison(const LoadSettings& settings, std::span<const Series> series) {
  const Series& base = series.front();
  std::string out = fmt::format(
      "compare {}, {} rounds of {}: {}\n", to_string(settings.kind), base.rounds.size(),
      settings.duration > nanoseconds{} ? format_duration(static_cast<double>(settings.duration.count()))
                                        : format_count(settings.count) + " each",
      describe_load(settings));
  std::size_t width = 8;
  for (const Series& each : series) width = std::max(width, each.contestant.name.size());
  auto line = std::back_inserter(out);
  for (const Metric& metric : metrics_of(settings, all_have_processes(series))) {
    fmt::format_to(line, "\n  {} ({} is better)\n", metric.text, metric.more_is_better ? "more" : "less");
    const auto base_values = base.values(metric, settings);
    for (const Series& each : series) {
      const auto values = each.values(metric, settings);
      fmt::format_to(line, "    {:<{}}  {:<34}", each.contestant.name, width,
                     format_spread(spread_of(values)));
      if (&each == &base)
        out += "  1\n";
      else
        fmt::format_to(line, "  ratio {}\n", format_spread(spread_of(paired_ratios(values, base_values))));
    }
  }
  out += "\n  failed:";
  for (const Series& each : series)
    fmt::format_to(line, " {} {}{}", each.contestant.name, format_count(failures_of(each)),
                   &each == &series.back() ? "\n" : ",");
  fmt::format_to(
      line,
      "  Each figure: median (least … most) of the rounds. Ratios: to {}, each within its round.\n"
      "  Other programs of this machine used {:.2f} CPUs meanwhile (at most {:.2f}): the less, the better "
      "the figures.\n",
      base.contestant.name, noise_of(series).median, noise_of(series).most);
  return out;
}

Json json_comparison(const LoadSettings& settings, std::span<const Series> series) {
  Json json = json_of_load(settings);
  const auto metrics = metrics_of(settings, all_have_processes(series));
  json["rounds"] = series.front().rounds.size();
  json["base"] = series.front().contestant.name;
  json["other_cpus"] = json_of(noise_of(series));
  Json servers = Json::array();
  for (const Series& each : series) {
    Json server;
    server["name"] = each.contestant.name;
    server["targets"] = each.contestant.targets;
    if (!each.contestant.command.empty()) server["command"] = each.contestant.command;
    server["failed"] = failures_of(each);
    for (const Metric& metric : metrics) {
      const auto values = each.values(metric, settings);
      const auto ratios = paired_ratios(values, series.front().values(metric, settings));
      Json entry = json_of(spread_of(values));
      entry["rounds"] = values;
      entry["ratio"] = json_of(spread_of(ratios));
      server["metrics"][metric.name] = std::move(entry);
    }
    Json rounds = Json::array();
    for (const LoadResult& round : each.rounds) {
      Json result = json_of_result(settings, round);
      for (const char* distribution : {"latency", "connect", "start_delay"})
        if (result.contains(distribution)) result[distribution].erase("buckets");
      rounds.push_back(std::move(result));
    }
    server["rounds"] = std::move(rounds);
    server["latency"] = json_of_histogram(each.latency());
    servers.push_back(std::move(server));
  }
  json["servers"] = std::move(servers);
  return json;
}

}  // namespace portshare
