#include "dispatch/control/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tuple>

#include "dispatch/outcome.h"

namespace portshare {

namespace {

using Json = nlohmann::ordered_json;
using std::chrono::duration;
using std::chrono::system_clock;

// Of what a dashboard shows at a glance.
constexpr std::size_t most_names = 20;
constexpr std::size_t most_failures = 32;
constexpr std::ptrdiff_t most_rows = 50;

std::string rfc3339(system_clock::time_point time) {
  const auto second = std::chrono::floor<std::chrono::milliseconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(second - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

double seconds_since_1970(system_clock::time_point time) {
  return std::round(duration<double, std::milli>(time.time_since_epoch()).count()) / 1e3;
}

/// In seconds, to the microsecond.
template <typename Duration>
double seconds(Duration time) {
  return duration<double>(time).count();
}

/// With three significant decimals, which is what a rate is good for.
double rounded(double rate) {
  return std::round(rate * 1e3) / 1e3;
}

/// nlohmann refuses what is not UTF-8. Names are ASCII; paths and what others report need not be.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}
std::string document(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

template <typename Duration>
Json seconds_or_null(const std::optional<Duration>& time) {
  return time ? Json(seconds(*time)) : Json(nullptr);
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

Json endpoint_or_null(const std::optional<IpEndpoint>& endpoint) {
  return endpoint ? Json(endpoint->to_string()) : Json(nullptr);
}

Json outcomes_of(const OutcomeCounts& counts) {
  Json json = Json::object();
  for (std::size_t i = 0; i < outcome_count; ++i) {
    if (counts[i] != 0) json[std::string(to_string(static_cast<Outcome>(i)))] = counts[i];
  }
  return json;
}

Json server_json(const ServerStatus& server) {
  Json json{{"address", server.address},
            {"configured", server.configured},
            {"state", to_string(server.state)},
            {"reason", text_or_null(server.reason)},
            {"state_seconds", seconds_or_null(server.state_age)},
            {"weight", server.weight},
            {"backup", server.is_backup},
            {"active", server.active_connections},
            {"total", server.total_connections},
            {"failed_connects", server.failed_connects},
            {"max_connections", server.max_connections},
            {"checks", server.checks},
            {"failed_checks", server.failed_checks}};
  json["last_check_seconds_ago"] = seconds_or_null(server.last_check_age);
  json["last_check_duration_seconds"] =
      server.last_check_age ? Json(seconds(server.last_check_duration)) : Json();
  return json;
}

/// The parts of a document that a report is made into.
class ReportParts {
 public:
  ReportParts(const ProgramReport& report, const MetricRegistry& names)
      : report_(report), names_(names), totals_(report.totals()) {}

  [[nodiscard]] const Counters& totals() const { return totals_; }

  [[nodiscard]] Json program(std::string_view version) const {
    return {{"version", version},
            {"pid", report_.pid},
            {"started", rfc3339(report_.started)},
            {"uptime_seconds", rounded(seconds(report_.time - report_.started))},
            {"engine", report_.engine},
            {"draining", report_.is_draining}};
  }

  [[nodiscard]] Json config() const {
    const ReloadStatus& reload = report_.reload;
    return {{"file", report_.config->file},
            {"loaded", rfc3339(reload.last_success)},
            {"reloads", reload.succeeded},
            {"failed_reloads", reload.failed},
            {"last_reload_succeeded", reload.last_succeeded},
            {"faults", reload.faults}};
  }

  [[nodiscard]] Json connections() const {
    return {{"active", report_.connections()},
            {"accepted", totals_.accepted_in_total()},
            {"closed", outcomes_of(totals_.closed_in_total())}};
  }

  [[nodiscard]] Json workers() const {
    Json workers = Json::array();
    for (std::size_t index = 0; index < report_.workers.size(); ++index) {
      const WorkerReport& worker = report_.workers[index];
      workers.push_back({{"worker", index},
                         {"connections", worker.connections},
                         {"accepted", worker.counters.accepted_in_total()},
                         {"accepting", worker.is_accepting},
                         {"stuck", worker.is_stuck},
                         {"accept_pauses", worker.counters.accept_pauses},
                         {"buffers", worker.buffers},
                         {"pipes", worker.pipes},
                         {"loop_turns", worker.loop_turns},
                         {"access_log_dropped", worker.access_records_lost}});
    }
    return workers;
  }

  [[nodiscard]] Json listener(std::size_t index) const {
    const std::uint32_t id = report_.ids->listeners[index];
    Json bound = Json::array();
    if (index < report_.listeners.size()) {
      for (const SocketAddress& address : report_.listeners[index].bound)
        bound.push_back(address.to_string());
    }
    const std::uint64_t accepted = totals_.accepted[id];
    return {{"name", report_.config->listeners[index].name},
            {"bound", bound},
            {"active", accepted - totals_.closed_of_listener(id)},
            {"accepted", accepted}};
  }

  [[nodiscard]] Json listeners() const {
    Json listeners = Json::array();
    for (std::size_t i = 0; i < report_.config->listeners.size(); ++i) listeners.push_back(listener(i));
    return listeners;
  }

  [[nodiscard]] Json backend(std::size_t index) const {
    const BackendConfig& config = report_.config->backends[index];
    const BackendCounters& counters = totals_.backends[report_.ids->backends[index]];
    Json json{{"name", config.name},           {"active", std::max<std::int64_t>(counters.connected, 0)},
              {"bytes_in", counters.bytes_in}, {"bytes_out", counters.bytes_out},
              {"retries", counters.retries},   {"requests", outcomes_of(counters.requests)}};
    for (const BackendStatus& status : report_.backends) {
      if (status.name != config.name) continue;
      json["balance"] = to_string(status.balance);
      json["health_checks"] = status.has_health_checks;
      json["waiting"] = status.waiting_connections;
      json["servers"] = Json::array();
      for (const ServerStatus& server : status.servers) json["servers"].push_back(server_json(server));
    }
    return json;
  }

  [[nodiscard]] Json backends() const {
    Json backends = Json::array();
    for (std::size_t i = 0; i < report_.config->backends.size(); ++i) backends.push_back(backend(i));
    return backends;
  }

  [[nodiscard]] Json second_listeners() const {
    Json json = Json::array();
    for (const SecondListener& other : report_.second_listeners) {
      json.push_back({{"listener", other.listener},
                      {"address", other.address},
                      {"holder", text_or_null(other.holder)},
                      {"effect", text_or_null(other.effect)}});
    }
    return json;
  }

  [[nodiscard]] Json names() const {
    Json json = Json::array();
    const double time = std::max(seconds(report_.names_time()), 1.0);
    for (const BusyName& busy : report_.busiest_names(most_names)) {
      json.push_back({{"name", busy.name}, {"per_second", rounded(static_cast<double>(busy.count) / time)}});
    }
    return json;
  }

  [[nodiscard]] Json failures() const {
    Json json = Json::array();
    for (const RecordedFailure& failure : report_.failures(most_failures)) {
      json.push_back({{"time", rfc3339(failure.time)},
                      {"outcome", to_string(failure.outcome)},
                      {"listener", names_.listeners()[failure.listener]},
                      {"client", endpoint_or_null(failure.client)},
                      {"name", text_or_null(failure.name)},
                      {"backend", text_or_null(names_.backends()[failure.backend])},
                      {"server", text_or_null(failure.server)}});
    }
    return json;
  }

 private:
  const ProgramReport& report_;
  const MetricRegistry& names_;
  Counters totals_;
};

void add_rates(Json& json, const Rates& rates) {
  json["closed_per_second"] = rounded(rates.closed);
  json["refused_per_second"] = rounded(rates.refused);
  json["failed_per_second"] = rounded(rates.failed);
}

void add_traffic(Json& json, const Rates& rates) {
  json["bytes_in_per_second"] = rounded(rates.bytes_in);
  json["bytes_out_per_second"] = rounded(rates.bytes_out);
  json["requests_per_second"] = rounded(rates.requests);
}

/// Indices, in their order: of all, or of those that are worth a row where there are too many for a screen.
/// `ids` are their numbers in `rates`.
std::vector<std::size_t> busiest(const std::vector<std::uint32_t>& ids, const std::vector<Rates>& rates) {
  std::vector<std::size_t> indices(ids.size());
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  if (std::ssize(indices) <= most_rows) return indices;
  const auto weight = [&](std::size_t index) {
    const Rates& of = rates[ids[index]];
    return std::tuple(of.failed, of.closed + of.accepted + of.requests, of.bytes_in + of.bytes_out);
  };
  std::ranges::partial_sort(indices, indices.begin() + most_rows, std::ranges::greater{}, weight);
  indices.resize(most_rows);
  std::ranges::sort(indices);
  return indices;
}

Json quantiles_json(const std::optional<Quantiles>& quantiles) {
  if (!quantiles) return nullptr;
  return {{"p50", seconds(quantiles->p50)}, {"p99", seconds(quantiles->p99)}};
}

Json sample_json(const Sample& sample) {
  Json json{{"time", seconds_since_1970(sample.time)},
            {"connections", sample.connections},
            {"accepted_per_second", rounded(sample.rates.accepted)}};
  add_rates(json, sample.rates);
  add_traffic(json, sample.rates);
  json["first_flight"] = quantiles_json(sample.first_flight);
  json["connect"] = quantiles_json(sample.connect);
  return json;
}

}  // namespace

std::string status_document(const ProgramReport& report, const MetricRegistry& names,
                            std::string_view version) {
  const ReportParts parts(report, names);
  Json json = parts.program(version);
  json["config"] = parts.config();
  json["connections"] = parts.connections();
  json["workers"] = parts.workers();
  json["listeners"] = parts.listeners();
  json["second_listeners"] = parts.second_listeners();
  json["backends"] = parts.backends();
  json["routes"] = report.config->route_count;
  json["busiest_names"] = parts.names();
  json["recent_failures"] = parts.failures();
  return document(json);
}

std::string routes_document(const ProgramReport& report) {
  const Counters totals = report.totals();
  const Config& config = *report.config;
  Json routes = Json::array();
  for (const RouteSummary& route : config.route_summaries) {
    Json listeners = Json::array();
    for (const std::uint32_t index : route.listeners) listeners.push_back(config.listeners[index].name);
    const std::uint32_t id =
        route.line < report.ids->routes.size() ? report.ids->routes[route.line] : MetricIds::none;
    routes.push_back(
        {{"route", fmt::format("{}:{}", config.file, route.line)},
         {"listeners", listeners},
         {"matchers", route.matchers},
         {"backend",
          route.backend == RouteRule::reject ? Json(nullptr) : Json(config.backends[route.backend].name)},
         {"decisions", id == MetricIds::none ? Json(nullptr) : Json(totals.routes[id])}});
  }
  return document({{"count", config.route_count}, {"routes", routes}});
}

std::string backends_document(const ProgramReport& report, const MetricRegistry& names) {
  return document({{"backends", ReportParts(report, names).backends()}});
}

std::string connections_document(const ConnectionList& list) {
  Json connections = Json::array();
  for (const ConnectionInfo& one : list.connections) {
    connections.push_back({{"id", one.id},
                           {"listener", one.listener},
                           {"client", endpoint_or_null(one.client)},
                           {"destination", endpoint_or_null(one.destination)},
                           {"protocol", text_or_null(one.protocol)},
                           {"name", text_or_null(one.name)},
                           {"backend", text_or_null(one.backend)},
                           {"server", text_or_null(one.server)},
                           {"state", one.state},
                           {"age_seconds", rounded(seconds(one.age))},
                           {"idle_seconds", rounded(seconds(one.idle))},
                           {"bytes_in", one.bytes_in},
                           {"bytes_out", one.bytes_out}});
  }
  return document({{"matching", list.matching}, {"connections", connections}});
}

std::string reload_document(const ReloadReport& result) {
  return document({{"reloaded", result.succeeded},
                   {"changes", result.changes},
                   {"warnings", result.warnings},
                   {"faults", result.faults}});
}

std::string sample_document(const SampleDetails& details, const ProgramReport& report,
                            const MetricRegistry& names, std::string_view version) {
  const ReportParts parts(report, names);
  Json json = sample_json(details.sample);
  json["program"] = parts.program(version);
  json["config"] = parts.config();
  json["workers"] = report.workers.size();
  json["listener_count"] = report.config->listeners.size();
  json["listeners"] = Json::array();
  for (const std::size_t i : busiest(report.ids->listeners, details.listeners)) {
    Json listener = parts.listener(i);
    const Rates& rates = details.listeners[report.ids->listeners[i]];
    listener["accepted_per_second"] = rounded(rates.accepted);
    add_rates(listener, rates);
    json["listeners"].push_back(std::move(listener));
  }
  json["backend_count"] = report.config->backends.size();
  json["backends"] = Json::array();
  for (const std::size_t i : busiest(report.ids->backends, details.backends)) {
    Json backend = parts.backend(i);
    const Rates& rates = details.backends[report.ids->backends[i]];
    add_rates(backend, rates);
    add_traffic(backend, rates);
    json["backends"].push_back(std::move(backend));
  }
  json["second_listeners"] = parts.second_listeners();
  json["busiest_names"] = parts.names();
  json["recent_failures"] = parts.failures();
  return dump(json);
}

std::string history_document(const std::vector<Sample>& samples) {
  Json json = Json::array();
  for (const Sample& sample : samples) json.push_back(sample_json(sample));
  return dump(json);
}

}  // namespace portshare
