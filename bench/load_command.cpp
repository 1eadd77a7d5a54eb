#include "bench/load_command.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/load_options.h"
#include "bench/load_run.h"
#include "bench/output.h"
#include "bench/report.h"
#include "command_line/command_line.h"
#include "platform/descriptor_limit.h"
#include "platform/process_usage.h"
#include "platform/signals.h"

namespace portshare {
namespace {

namespace po = boost::program_options;

void add_server_options(po::options_description& options) {
  auto add = options.add_options();
  add("server-pid", po::value<std::vector<int>>()->value_name("PID"),
      "the server's process on this machine: report its CPU time (and memory, in idle), with all under it; "
      "repeatable");
  add("server-name", po::value<std::vector<std::string>>()->value_name("NAME"),
      "the same, by the program's name");
}

std::expected<std::vector<int>, std::string> read_server_pids(const po::variables_map& values) {
  std::vector<int> pids;
  if (const auto* given = option_value<std::vector<int>>(values, "server-pid")) pids = *given;
  if (const auto* names = option_value<std::vector<std::string>>(values, "server-name")) {
    for (const std::string& name : *names) {
      const auto found = find_processes(name);
      if (found.empty())
        return std::unexpected(fmt::format("--server-name: no process is called '{}'", name));
      pids.insert(pids.end(), found.begin(), found.end());
    }
  }
  return pids;
}

int report_failure(std::string_view message) {
  fmt::print(stderr, "{}: {}\n", bench_program, message);
  return exit_code::failed;
}

int finish(const LoadSettings& settings, const LoadResult& result, const OutputSettings& output) {
  // Where the JSON takes stdout, the table goes out of its way.
  fmt::print(output.json == "-" ? stderr : stdout, "{}", human_report(settings, result));
  if (!output.json.empty()) {
    if (const auto written = write_text(output.json, json_report(settings, result).dump(1) + '\n'); !written)
      return report_failure(written.error());
  }
  if (!output.plot.empty()) {
    const std::string target = settings.targets.front().to_string();
    const std::array series{PlotSeries{target, &result.statistics.latency}};
    const PlotText text{.title = fmt::format("{}: latency", to_string(settings.kind)),
                        .subtitle = describe_load(settings),
                        .footer = describe_machine() + ", " + describe_system()};
    if (const auto written = write_plot(output.plot, text, series); !written)
      return report_failure(written.error());
  }
  return has_failures(result) ? exit_code::failed : exit_code::fine;
}

int load_command(LoadKind kind, std::span<const std::string> arguments) {
  po::options_description options("Options");
  options.add_options()("target", po::value<std::vector<std::string>>()->value_name("TARGET"),
                        "ADDRESS:PORT, [IPV6]:PORT, NAME:PORT or unix:/path; several are taken in turn");
  add_load_options(kind, options);
  add_engine_option(options);
  add_server_options(options);
  add_output_options(options);
  const ModeText text = text_of(kind);
  const std::string purpose = fmt::format("{}.\n{}", text.summary, text.details);
  const auto values = parse_options({.name = to_string(kind),
                                     .synopsis = "TARGET [OPTION]...",
                                     .purpose = purpose,
                                     .program = bench_program,
                                     .positional = "target"},
                                    options, arguments);
  if (!values) return values.error();
  const auto usage_error = [&](const std::string& message) {
    return report_usage_error(to_string(kind), message, bench_program);
  };
  const auto* targets = option_value<std::vector<std::string>>(*values, "target");
  const auto settings = read_load_settings(kind, *values, targets ? *targets : std::vector<std::string>());
  if (!settings) return usage_error(settings.error());
  const auto output = read_output_settings(*values);
  if (!output) return usage_error(output.error());
  const auto pids = read_server_pids(*values);
  if (!pids) return report_failure(pids.error());

  block_signals();  // before the first thread, which inherits it
  raise_descriptor_limit();
  const auto result = run_load(*settings, {.servers = *pids}, progress_printer(*output, kind, ""));
  if (!result) return report_failure(result.error());
  return finish(*settings, *result, *output);
}

}  // namespace

ModeText text_of(LoadKind kind) {
  switch (kind) {
    case LoadKind::ping_pong:
      return {"messages there and back on established connections",
              "The server answers each message, and the first bytes too, with as many bytes: an echo server "
              "does."};
    case LoadKind::bulk:
      return {"bytes per second, in one direction or both",
              "For a download the server sends as long as it can, for an upload it reads."};
    case LoadKind::idle:
      return {"idle connections: how many stay, and what they cost the server",
              "Opens them, sends the first bytes, and holds them. The server does not close them."};
    case LoadKind::slow:
      return {"good clients beside others that send their first bytes one at a time",
              "Reports the latency of the good clients, and what became of the slow ones."};
    case LoadKind::connections:
      break;
  }
  return {"connections one after the other: connect, first bytes, reply, close",
          "Any server that answers the first bytes will do."};
}

int connections_command(std::span<const std::string> arguments) {
  return load_command(LoadKind::connections, arguments);
}
int ping_pong_command(std::span<const std::string> arguments) {
  return load_command(LoadKind::ping_pong, arguments);
}
int bulk_command(std::span<const std::string> arguments) {
  return load_command(LoadKind::bulk, arguments);
}
int idle_command(std::span<const std::string> arguments) {
  return load_command(LoadKind::idle, arguments);
}
int slow_command(std::span<const std::string> arguments) {
  return load_command(LoadKind::slow, arguments);
}

}  // namespace portshare
