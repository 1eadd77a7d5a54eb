#include "dispatch/control/metrics_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <map>

#include "dispatch/outcome.h"

namespace portshare {

namespace {

void append_escaped(std::string_view text, bool is_label, std::string& out) {
  for (const char c : text) {
    if (c == '\\') {
      out.append("\\\\");
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c == '"' && is_label) {
      out.append("\\\"");
    } else {
      out.push_back(c);
    }
  }
}

double seconds_of(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

constexpr std::array<ServerStatus::State, 6> server_states{
    ServerStatus::State::up,   ServerStatus::State::checking, ServerStatus::State::resting,
    ServerStatus::State::down, ServerStatus::State::draining, ServerStatus::State::disabled};

}  // namespace

void MetricsWriter::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  fmt::format_to(std::back_inserter(out_), "# HELP {} ", name);
  append_escaped(help, false, out_);
  fmt::format_to(std::back_inserter(out_), "\n# TYPE {} {}\n", name, type);
}

void MetricsWriter::begin_sample(std::string_view suffix, Labels labels) {
  out_.append(name_).append(suffix);
  char separator = '{';
  for (const Label& label : labels) {
    out_.push_back(std::exchange(separator, ','));
    out_.append(label.name).append("=\"");
    append_escaped(label.value, true, out_);
    out_.push_back('"');
  }
  if (separator == ',') out_.push_back('}');
  out_.push_back(' ');
}

void MetricsWriter::sample(std::uint64_t value, Labels labels) {
  begin_sample("", labels);
  fmt::format_to(std::back_inserter(out_), "{}\n", value);
}

void MetricsWriter::sample_real(double value, Labels labels) {
  begin_sample("", labels);
  fmt::format_to(std::back_inserter(out_), "{}\n", value);
}

void MetricsWriter::histogram(const DurationHistogram& histogram) {
  std::uint64_t count = 0;
  for (std::size_t bucket = 0; bucket < DurationHistogram::bucket_count; ++bucket) {
    count += histogram.count_in(bucket);
    const bool is_last = bucket == DurationHistogram::bounds_us.size();
    const std::string bound =
        is_last ? "+Inf" : fmt::format("{}", static_cast<double>(DurationHistogram::bounds_us[bucket]) / 1e6);
    begin_sample("_bucket", {{"le", bound}});
    fmt::format_to(std::back_inserter(out_), "{}\n", count);
  }
  fmt::format_to(std::back_inserter(out_), "{0}_sum {1}\n{0}_count {2}\n", name_,
                 static_cast<double>(histogram.sum_us()) / 1e6, count);
}

namespace {

/// One document; a method per group of families.
class MetricsDocument {
 public:
  MetricsDocument(const ProgramReport& report, const MetricRegistry& registry, std::string& out)
      : report_(report), registry_(registry), totals_(report.totals()), writer_(out) {}

  void write_program(std::string_view version) {
    writer_.family("portshare_build_info", "gauge", "Always 1; the labels say which program this is.");
    writer_.sample(1, {{"version", version}, {"engine", report_.engine}});
    writer_.family("portshare_start_time_seconds", "gauge",
                   "When the program started, in seconds since 1970.");
    writer_.sample_real(seconds_of(report_.started));
    writer_.family("portshare_draining", "gauge",
                   "1 while the program ends and accepts no more connections.");
    writer_.sample(report_.is_draining ? 1 : 0);
    writer_.family("portshare_config_reloads_total", "counter", "Reloads of the configuration, by result.");
    writer_.sample(report_.reload.succeeded, {{"result", "success"}});
    writer_.sample(report_.reload.failed, {{"result", "failure"}});
    writer_.family("portshare_config_last_reload_successful", "gauge",
                   "Whether the last reload was taken; a start counts as one.");
    writer_.sample(report_.reload.last_succeeded ? 1 : 0);
    writer_.family("portshare_config_last_reload_success_timestamp_seconds", "gauge",
                   "When the configuration that is in force was read.");
    writer_.sample_real(seconds_of(report_.reload.last_success));
  }

  void write_listeners() {
    const std::vector<std::string>& names = registry_.listeners();
    writer_.family("portshare_connections_accepted_total", "counter", "Connections accepted, by listener.");
    for (std::uint32_t id = 0; id < totals_.accepted.size(); ++id) {
      writer_.sample(totals_.accepted[id], {{"listener", names[id]}});
    }
    std::vector<std::uint64_t> closed(totals_.accepted.size());
    for (const auto& [key, counts] : totals_.closed) {
      for (const std::uint64_t count : counts) closed[Counters::listener_of(key)] += count;
    }
    writer_.family("portshare_connections_active", "gauge", "Connections that are open, by listener.");
    for (std::uint32_t id = 0; id < totals_.accepted.size(); ++id) {
      writer_.sample(totals_.accepted[id] - closed[id], {{"listener", names[id]}});
    }
    writer_.family(
        "portshare_connections_closed_total", "counter",
        "Connections that have ended, by listener, the backend that served them last (empty: none) "
        "and outcome, in the words of the access log.");
    const std::map<std::uint64_t, OutcomeCounts> sorted(totals_.closed.begin(), totals_.closed.end());
    for (const auto& [key, counts] : sorted) {
      for (std::size_t outcome = 0; outcome < outcome_count; ++outcome) {
        if (counts[outcome] == 0) continue;
        writer_.sample(counts[outcome], {{"listener", names[Counters::listener_of(key)]},
                                         {"backend", registry_.backends()[Counters::backend_of(key)]},
                                         {"outcome", to_string(static_cast<Outcome>(outcome))}});
      }
    }
    writer_.family("portshare_second_listeners", "gauge",
                   "Sockets of other programs that listen on a port of ours, or hide it.");
    writer_.sample(report_.second_listeners.size());
  }

  void write_backends() {
    const std::vector<std::string>& names = registry_.backends();
    writer_.family(
        "portshare_bytes_total", "counter",
        "Bytes received from clients (in) and sent to them (out), by the backend that served them.");
    for (std::uint32_t id = 0; id < totals_.backends.size(); ++id) {
      writer_.sample(totals_.backends[id].bytes_in, {{"backend", names[id]}, {"direction", "in"}});
      writer_.sample(totals_.backends[id].bytes_out, {{"backend", names[id]}, {"direction", "out"}});
    }
    writer_.family("portshare_backend_connections_active", "gauge",
                   "Connections to the servers of a backend.");
    for (std::uint32_t id = 1; id < totals_.backends.size(); ++id) {
      writer_.sample(static_cast<std::uint64_t>(std::max<std::int64_t>(totals_.backends[id].connected, 0)),
                     {{"backend", names[id]}});
    }
    writer_.family("portshare_retries_total", "counter",
                   "Connects to a further server of a backend, after one had failed.");
    for (std::uint32_t id = 1; id < totals_.backends.size(); ++id) {
      writer_.sample(totals_.backends[id].retries, {{"backend", names[id]}});
    }
    writer_.family(
        "portshare_http_requests_total", "counter",
        "Requests of HTTP/1, by backend (empty: refused before one was found) and outcome. Of HTTP/2 "
        "only those that were refused.");
    for (std::uint32_t id = 0; id < totals_.backends.size(); ++id) {
      const OutcomeCounts& counts = totals_.backends[id].requests;
      for (std::size_t outcome = 0; outcome < outcome_count; ++outcome) {
        if (counts[outcome] == 0) continue;
        writer_.sample(counts[outcome],
                       {{"backend", names[id]}, {"outcome", to_string(static_cast<Outcome>(outcome))}});
      }
    }
  }

  void write_servers() {
    write_servers(
        "portshare_server_up", "gauge",
        "1 if new connections may go to this server, 0 if it is down, draining or disabled.",
        [](const ServerStatus& server) -> std::uint64_t { return takes_connections(server) ? 1 : 0; });
    writer_.family("portshare_server_state", "gauge",
                   "1 for the state that a server is in, 0 for the others.");
    for_each_server([&](const BackendStatus& backend, const ServerStatus& server) {
      for (const ServerStatus::State state : server_states) {
        writer_.sample(server.state == state ? 1 : 0,
                       {{"backend", backend.name}, {"server", server.address}, {"state", to_string(state)}});
      }
    });
    write_servers("portshare_server_connections_active", "gauge", "Connections to a server.",
                  [](const ServerStatus& server) -> std::uint64_t { return server.active_connections; });
    write_servers("portshare_server_connections_total", "counter", "Connections that a server has taken.",
                  [](const ServerStatus& server) { return server.total_connections; });
    write_servers("portshare_server_connects_failed_total", "counter", "Connects that a server did not take.",
                  [](const ServerStatus& server) { return server.failed_connects; });
    write_servers("portshare_server_checks_total", "counter", "Health checks of a server.",
                  [](const ServerStatus& server) { return server.checks; });
    write_servers("portshare_server_checks_failed_total", "counter", "Health checks that have failed.",
                  [](const ServerStatus& server) { return server.failed_checks; });
    writer_.family("portshare_backend_waiting_connections", "gauge",
                   "Connections that wait for a place at a server (max_connections).");
    for (const BackendStatus& backend : report_.backends) {
      writer_.sample(backend.waiting_connections, {{"backend", backend.name}});
    }
  }

  void write_routes() {
    if (!report_.ids || report_.ids->routes.empty()) return;
    writer_.family(
        "portshare_route_decisions_total", "counter",
        "Connections and HTTP requests that a route has decided, by its place in the configuration.");
    for (const std::uint32_t id : report_.ids->routes) {
      if (id != MetricIds::none) writer_.sample(totals_.routes[id], {{"route", registry_.routes()[id]}});
    }
  }

  void write_durations() {
    writer_.family("portshare_first_flight_seconds", "histogram",
                   "From the accept, or the beginning of a further request, to the complete first flight.");
    writer_.histogram(totals_.first_flight);
    writer_.family("portshare_connect_seconds", "histogram",
                   "From the decision for a backend to the connected server.");
    writer_.histogram(totals_.connect);
    writer_.family("portshare_connection_seconds", "histogram",
                   "From the accept to the end of a connection.");
    writer_.histogram(totals_.connection);
  }

  void write_workers() {
    write_workers("portshare_worker_connections", "gauge", "Connections of a worker.",
                  [](const WorkerReport& worker) -> std::uint64_t { return worker.connections; });
    write_workers("portshare_worker_loop_turns_total", "counter", "Turns of a worker's event loop.",
                  [](const WorkerReport& worker) { return worker.loop_turns; });
    write_workers("portshare_worker_buffers", "gauge", "Buffers of 16 KiB that hold received bytes.",
                  [](const WorkerReport& worker) -> std::uint64_t { return worker.buffers; });
    write_workers("portshare_worker_pipes", "gauge", "Pipes that hold received bytes.",
                  [](const WorkerReport& worker) -> std::uint64_t { return worker.pipes; });
    write_workers("portshare_worker_accept_pauses_total", "counter",
                  "Times that accepting was paused for want of descriptors or after a failure.",
                  [](const WorkerReport& worker) { return worker.counters.accept_pauses; });
    write_workers("portshare_worker_accepting", "gauge", "1 if the worker accepts, 0 while that is paused.",
                  [](const WorkerReport& worker) -> std::uint64_t { return worker.is_accepting ? 1 : 0; });
    write_workers("portshare_worker_stuck", "gauge", "1 if the worker does not come round its event loop.",
                  [](const WorkerReport& worker) -> std::uint64_t { return worker.is_stuck ? 1 : 0; });
    write_workers(
        "portshare_access_log_dropped_total", "counter",
        "Lines of the access log that were lost because its file was too slow or could not be written.",
        [](const WorkerReport& worker) { return worker.access_records_lost; });
  }

 private:
  template <typename Visit>
  void for_each_server(Visit visit) {
    for (const BackendStatus& backend : report_.backends) {
      for (const ServerStatus& server : backend.servers) visit(backend, server);
    }
  }

  template <typename Value>
  void write_servers(std::string_view name, std::string_view type, std::string_view help, Value value) {
    writer_.family(name, type, help);
    for_each_server([&](const BackendStatus& backend, const ServerStatus& server) {
      writer_.sample(value(server), {{"backend", backend.name}, {"server", server.address}});
    });
  }

  template <typename Value>
  void write_workers(std::string_view name, std::string_view type, std::string_view help, Value value) {
    writer_.family(name, type, help);
    for (std::size_t index = 0; index < report_.workers.size(); ++index) {
      writer_.sample(value(report_.workers[index]), {{"worker", fmt::format_int(index).c_str()}});
    }
  }

  const ProgramReport& report_;
  const MetricRegistry& registry_;
  Counters totals_;
  MetricsWriter writer_;
};

}  // namespace

std::string metrics_text(const ProgramReport& report, const MetricRegistry& registry,
                         std::string_view version) {
  std::string text;
  MetricsDocument document(report, registry, text);
  document.write_program(version);
  document.write_listeners();
  document.write_backends();
  document.write_servers();
  document.write_routes();
  document.write_durations();
  document.write_workers();
  return text;
}

}  // namespace portshare
