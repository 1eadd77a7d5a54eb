#include "bench/report.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "bench/first_bytes.h"
#include "bench/quantities.h"
#include "platform/engine.h"

namespace portshare {
namespace {

double per_unit(double total, double units) {
  return units > 0 ? total / units : 0;
}

std::string plural(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", format_count(count), noun, count == 1 ? "" : "s");
}

void add_line(std::string& out, std::string_view label, std::string_view value, std::string_view note = "") {
  fmt::format_to(std::back_inserter(out), "  {:<16}{:>12}{}{}\n", label, value, note.empty() ? "" : "   ",
                 note);
}

void add_times(std::string& out, std::string_view label, const Histogram& histogram) {
  if (histogram.count() == 0) return;
  const auto cell = [](double value) { return fmt::format("{:>10}", format_duration(value)); };
  std::string line = fmt::format("  {:<12}", label);
  line += cell(static_cast<double>(histogram.min())) + cell(histogram.mean());
  for (const NamedQuantile& each : reported_quantiles)
    line += cell(static_cast<double>(histogram.quantile(each.share)));
  out += line + cell(static_cast<double>(histogram.max())) + '\n';
}

void add_distributions(std::string& out, const LoadSettings& settings, const Statistics& statistics) {
  if (statistics.latency.count() + statistics.connect.count() == 0) return;
  fmt::format_to(std::back_inserter(out), "\n  {:<12}{:>10}{:>10}", "", "min", "mean");
  for (const NamedQuantile& each : reported_quantiles)
    fmt::format_to(std::back_inserter(out), "{:>10}", each.name);
  fmt::format_to(std::back_inserter(out), "{:>10}\n", "max");
  add_times(out, "connect", statistics.connect);
  add_times(out, settings.kind == LoadKind::idle ? "established" : "latency", statistics.latency);
  add_times(out, "start delay", statistics.start_delay);
}

std::string_view remark_on_latency(const LoadSettings& settings) {
  if (settings.is_open_loop())
    return "  Open loop: latency counts from the time that the schedule gave, so that waiting for a slow "
           "server is "
           "in it\n  (corrected for coordinated omission).\n";
  return "  Closed loop: who waits for a slow reply asks nothing meanwhile, so that slow replies are "
         "underrepresented\n  (not corrected for coordinated omission; --rate is).\n";
}

void add_amounts(std::string& out, const LoadSettings& settings, const LoadResult& result) {
  const Statistics& statistics = result.statistics;
  const double seconds = as_seconds(result.elapsed);
  if (settings.kind == LoadKind::idle) {
    add_line(out, "established", format_count(statistics.completed));
    add_line(out, "dropped", format_count(statistics.dropped), "established, and ended by the server");
  } else if (settings.kind == LoadKind::bulk) {
    const double total = result.units(settings.kind);
    add_line(out, "transferred", format_bytes(total * 1e9),
             format_number(per_unit(total, seconds)) + " GB/s");
  } else {
    add_line(out, std::string(unit_of(settings.kind)) + 's', format_count(statistics.completed),
             format_number(per_unit(static_cast<double>(statistics.completed), seconds)) + " per second");
  }
  add_line(out, "failed", format_count(statistics.failed()));
  for (std::size_t i = 0; i < error_kind_count; ++i)
    if (statistics.errors[i] != 0)
      add_line(out, "", format_count(statistics.errors[i]),
               describe(ErrorKind{static_cast<std::uint8_t>(i)}));
  // A few are always just about to start.
  if (result.overdue * 1000 > statistics.completed)
    add_line(out, "not started", format_count(result.overdue),
             "the server, or --connections, cannot keep up with --rate");
  const auto add_bytes = [&](std::string_view label, std::uint64_t bytes) {
    const auto size = static_cast<double>(bytes);
    add_line(out, label, format_bytes(size), format_bytes(per_unit(size, seconds)) + "/s");
  };
  add_bytes("sent", statistics.bytes_sent);
  add_bytes("received", statistics.bytes_received);
  if (settings.kind == LoadKind::slow) {
    const SlowClients& slow = statistics.slow;
    add_line(out, "slow clients", format_count(slow.opened),
             fmt::format("opened: {} answered, {} cut off, {} could not connect", format_count(slow.answered),
                         format_count(slow.cut_off), format_count(slow.failed)));
  }
}

void add_costs(std::string& out, const LoadSettings& settings, const LoadResult& result) {
  const std::string per = fmt::format("per {}", unit_of(settings.kind));
  const auto share = [&](nanoseconds cpu) {
    return fmt::format("{}, {:.2f} CPUs", per, per_unit(as_seconds(cpu), as_seconds(result.elapsed)));
  };
  add_line(out, "generator CPU", format_duration(generator_cpu_per_unit(settings, result)),
           share(result.generator_cpu));
  if (result.server_cpu)
    add_line(out, "server CPU", format_duration(server_cpu_per_unit(settings, result)),
             share(*result.server_cpu));
  if (result.server_memory) {
    add_line(out, "server memory", format_bytes(server_memory_per_connection(result)),
             fmt::format("per connection (PSS, {} before, {} with them)",
                         format_bytes(static_cast<double>(*result.server_memory_before)),
                         format_bytes(static_cast<double>(*result.server_memory))));
  }
}

}  // namespace

std::string describe_load(const LoadSettings& settings) {
  std::string out = settings.kind == LoadKind::idle
                        ? plural(settings.connections, "connection") + " held"
                        : plural(settings.connections, "connection") + " at a time";
  if (settings.is_open_loop())
    out += fmt::format(", {} per second in an open loop", format_number(settings.rate));
  else if (settings.kind == LoadKind::connections || settings.kind == LoadKind::ping_pong)
    out += " in a closed loop";
  if (settings.kind == LoadKind::ping_pong)
    out += fmt::format(", messages of {} bytes", settings.message_size);
  if (settings.kind == LoadKind::slow)
    out += fmt::format(", beside {} with a byte each {} ms", plural(settings.slow_clients, "slow client"),
                       settings.interval.count());
  if (settings.kind == LoadKind::bulk) {
    const BulkDirections& directions = settings.directions;
    out += directions.download && directions.upload ? ", both directions"
           : directions.upload                      ? ", upload"
                                                    : ", download";
  }
  return out + fmt::format(", {}, {}, {}", FirstBytes(settings.first_bytes).describe(),
                           plural(settings.threads, "thread"), to_string(settings.engine));
}

std::string human_report(const LoadSettings& settings, const LoadResult& result) {
  std::string out = fmt::format("{}, {:.2f} s: {}\n", to_string(settings.kind), as_seconds(result.elapsed),
                                describe_load(settings));
  for (const SocketAddress& target : settings.targets) out += "  to " + target.to_string() + '\n';
  out += '\n';
  add_amounts(out, settings, result);
  add_costs(out, settings, result);
  add_distributions(out, settings, result.statistics);
  if (settings.kind != LoadKind::idle && settings.kind != LoadKind::bulk) out += remark_on_latency(settings);
  if (result.was_interrupted) out += "  Interrupted before its end.\n";
  return out;
}

bool has_failures(const LoadResult& result) {
  const Statistics& statistics = result.statistics;
  const bool has_done_anything =
      statistics.completed + statistics.bytes_sent + statistics.bytes_received != 0;
  return statistics.failed() + statistics.dropped != 0 || !has_done_anything;
}

double generator_cpu_per_unit(const LoadSettings& settings, const LoadResult& result) {
  return per_unit(static_cast<double>(result.generator_cpu.count()), result.units(settings.kind));
}

double server_cpu_per_unit(const LoadSettings& settings, const LoadResult& result) {
  if (!result.server_cpu) return 0;
  return per_unit(static_cast<double>(result.server_cpu->count()), result.units(settings.kind));
}

double server_memory_per_connection(const LoadResult& result) {
  if (!result.server_memory || !result.server_memory_before) return 0;
  const double growth =
      static_cast<double>(*result.server_memory) - static_cast<double>(*result.server_memory_before);
  return per_unit(growth, static_cast<double>(result.statistics.completed - result.statistics.dropped));
}

}  // namespace portshare
