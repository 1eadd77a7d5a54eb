#include "bench/compare_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "bench/comparison.h"
#include "bench/load_command.h"
#include "bench/load_options.h"
#include "bench/load_run.h"
#include "bench/output.h"
#include "bench/reachability.h"
#include "bench/report.h"
#include "command_line/command_line.h"
#include "core/suggestion.h"
#include "platform/child_process.h"
#include "platform/descriptor_limit.h"
#include "platform/process_usage.h"
#include "platform/signals.h"

namespace portshare {
namespace {

namespace po = boost::program_options;
using Error = std::unexpected<std::string>;

constexpr std::array modes{LoadKind::connections, LoadKind::ping_pong, LoadKind::bulk, LoadKind::idle,
                           LoadKind::slow};
constexpr std::chrono::seconds start_patience{20};

int report_failure(std::string_view message) {
  fmt::print(stderr, "{}: {}\n", bench_program, message);
  return exit_code::failed;
}

std::expected<std::vector<Contestant>, std::string> read_contestants(const po::variables_map& values) {
  std::vector<Contestant> contestants;
  std::set<std::string> names;
  if (const auto* given = option_value<std::vector<std::string>>(values, "server")) {
    for (const std::string& text : *given) {
      auto contestant = parse_contestant(text);
      if (!contestant) return Error(contestant.error());
      if (!names.insert(contestant->name).second)
        return Error(fmt::format("--server: two servers are called '{}'", contestant->name));
      contestants.push_back(std::move(*contestant));
    }
  }
  if (contestants.empty()) return Error("which servers? --server NAME=TARGET, for each of them");
  return contestants;
}

/// One round of one contestant, which it starts and ends if it has a command for that.
std::expected<LoadResult, std::string> run_round(const Contestant& contestant, const LoadSettings& settings,
                                                 const std::vector<int>& helpers,
                                                 const ProgressObserver& observer) {
  TakingPart processes{.servers = contestant.pids, .helpers = helpers};
  std::optional<ChildProcess> child;
  if (!contestant.command.empty()) {
    auto started = ChildProcess::start(contestant.command);
    if (!started) return Error(started.error());
    child.emplace(std::move(*started));
    processes.servers.push_back(child->pid());
    for (const SocketAddress& target : settings.targets) {
      if (!wait_until_reachable(target, start_patience) || !child->is_running())
        return Error(fmt::format("{}: nobody listens on {} after '{}'", contestant.name, target.to_string(),
                                 contestant.command));
    }
  }
  auto result = run_load(settings, processes, observer);
  if (!result) return Error(fmt::format("{}: {}", contestant.name, result.error()));
  return result;
}

std::expected<void, std::string> write_comparison(const OutputSettings& output, const LoadSettings& settings,
                                                  std::span<const Series> series) {
  // Where the JSON takes stdout, the table goes out of its way.
  fmt::print(output.json == "-" ? stderr : stdout, "{}", human_comparison(settings, series));
  if (!output.json.empty()) {
    if (auto written = write_text(output.json, json_comparison(settings, series).dump(1) + '\n'); !written)
      return written;
  }
  if (output.plot.empty()) return {};
  std::vector<Histogram> latencies;
  for (const Series& each : series) latencies.push_back(each.latency());
  std::vector<PlotSeries> curves;
  curves.reserve(series.size());
  for (std::size_t i = 0; i < series.size(); ++i)
    curves.push_back({series[i].contestant.name, &latencies[i]});
  const PlotText text{
      .title = fmt::format("{}: latency, {} rounds", to_string(settings.kind), series.front().rounds.size()),
      .subtitle = describe_load(settings),
      .footer = describe_machine() + ", " + describe_system()};
  return write_plot(output.plot, text, curves);
}

int compare(LoadKind kind, std::span<const std::string> arguments) {
  po::options_description options("Options");
  options.add_options()(
      "server", po::value<std::vector<std::string>>()->value_name("SERVER"),
      "NAME=TARGET[,TARGET]...[,pid=PID]...[,command=COMMAND]: the targets are as in the other "
      "commands; pid is a process of a server that runs; command, up to the end, starts one anew "
      "for each round. The first server is what the others are compared with")(
      "rounds", po::value<unsigned>()->default_value(5)->value_name("N"),
      "how often each server has its turn; the order changes from round to round")(
      "helper-pid", po::value<std::vector<int>>()->value_name("PID"),
      "a process that takes part without being compared, such as a server behind proxies, so that it does "
      "not "
      "count as noise; repeatable");
  add_load_options(kind, options, {.duration = "2s", .warm_up = "300ms"});
  add_engine_option(options);
  add_output_options(options);
  const std::string name = fmt::format("compare {}", to_string(kind));
  const auto values = parse_options({.name = name,
                                     .synopsis = "--server SERVER --server SERVER... [OPTION]...",
                                     .purpose = "Gives several servers the same load in interleaved rounds, "
                                                "and prints what they cost and how they\n"
                                                "serve, as ratios to the first one within each round.",
                                     .program = bench_program},
                                    options, arguments);
  if (!values) return values.error();
  const auto usage_error = [&](const std::string& message) {
    return report_usage_error(name, message, bench_program);
  };
  const auto contestants = read_contestants(*values);
  if (!contestants) return usage_error(contestants.error());
  const auto* given_rounds = option_value<unsigned>(*values, "rounds");
  const unsigned rounds = given_rounds ? *given_rounds : 0;
  if (rounds == 0) return usage_error("--rounds: at least 1");
  const auto output = read_output_settings(*values);
  if (!output) return usage_error(output.error());
  const auto* given_helpers = option_value<std::vector<int>>(*values, "helper-pid");
  const std::vector<int> helpers = given_helpers ? *given_helpers : std::vector<int>();
  std::vector<LoadSettings> settings;
  std::vector<Series> series;
  for (const Contestant& contestant : *contestants) {
    auto read = read_load_settings(kind, *values, contestant.targets);
    if (!read) return usage_error(read.error());
    settings.push_back(std::move(*read));
    series.push_back({.contestant = contestant, .rounds = {}});
  }

  block_signals();  // before the first thread, which inherits it
  raise_descriptor_limit();
  for (unsigned round = 0; round < rounds; ++round) {
    for (const std::size_t index : order_of_round(round, series.size())) {
      const Contestant& contestant = series[index].contestant;
      const auto label = fmt::format("round {}, {}: ", round + 1, contestant.name);
      auto result = run_round(contestant, settings[index], helpers, progress_printer(*output, kind, label));
      if (!result) return report_failure(result.error());
      if (result->was_interrupted) return report_failure("interrupted");
      series[index].rounds.push_back(std::move(*result));
    }
  }
  if (const auto written = write_comparison(*output, settings.front(), series); !written)
    return report_failure(written.error());
  const bool has_failed = std::ranges::any_of(series, [](const Series& each) {
    return std::ranges::any_of(each.rounds, [](const LoadResult& result) { return has_failures(result); });
  });
  return has_failed ? exit_code::failed : exit_code::fine;
}

}  // namespace

int compare_command(std::span<const std::string> arguments) {
  const std::string mode = arguments.empty() ? "" : arguments.front();
  const auto found =
      std::ranges::find(modes, std::string_view(mode), [](LoadKind kind) { return to_string(kind); });
  if (found != modes.end()) return compare(*found, arguments.subspan(1));
  if (mode == "--help" || mode == "-h") {
    fmt::print("Usage: {} compare MODE --server SERVER --server SERVER... [OPTION]...\n\nModes:\n",
               bench_program);
    for (const LoadKind kind : modes) fmt::print("  {:<11}  {}\n", to_string(kind), text_of(kind).summary);
    fmt::print("\n'{} compare MODE --help' explains the options\n", bench_program);
    return exit_code::fine;
  }
  const auto word = [](LoadKind kind) { return to_string(kind); };
  return report_usage_error(
      "compare",
      mode.empty() ? "which mode?" : fmt::format("there is no mode '{}'{}", mode, suggest(mode, modes, word)),
      bench_program);
}

}  // namespace portshare
