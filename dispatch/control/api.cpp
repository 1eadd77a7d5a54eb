#include "dispatch/control/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "dispatch/control/dashboard.h"
#include "dispatch/control/documents.h"
#include "dispatch/control/metrics_text.h"
#include "dispatch/control/version.h"

namespace portshare {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view json_type = "application/json";

HttpResponse json_response(std::string document, unsigned status = 200) {
  return {
      .status = status, .content_type = std::string(json_type), .body = std::move(document), .fields = {}};
}

HttpResponse json_response(const Json& json, unsigned status = 200) {
  return json_response(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n", status);
}

/// The text under `key` of a JSON object; none: it is missing, or the body is no such object.
std::optional<std::string> text_of(const std::string& body, const char* key) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains(key) || !json[key].is_string()) return std::nullopt;
  return json[key].get<std::string>();
}

/// A browser gets the page, with nothing from elsewhere; everybody else would not know what to do with it.
constexpr std::string_view page_fields =
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n"
    "Referrer-Policy: no-referrer\r\n";

constexpr std::string_view server_path_begin = "/backends/";
constexpr std::string_view server_path_middle = "/servers/";

}  // namespace

Api::Api(ControlledProgram& program, Access access, FirstEvents first_events)
    : program_(program), access_(access), first_events_(std::move(first_events)) {}

const std::vector<Api::Endpoint>& Api::endpoints() {
  static const std::vector<Endpoint> all{
      {"GET", "/", &Api::dashboard, false},
      {"GET", "/healthz", &Api::health, false},
      {"GET", "/status", &Api::status, false},
      {"GET", "/metrics", &Api::metrics, false},
      {"GET", "/events", &Api::events, false},
      {"GET", "/connections", &Api::connections, true},
      {"POST", "/connections/kill", &Api::end_connections, true},
      {"GET", "/routes", &Api::routes, true},
      {"GET", "/backends", &Api::backends, true},
      {"POST", "/reload", &Api::reload, true},
      {"POST", "/drain", &Api::drain, true},
      {"POST", "/upgrade", &Api::upgrade, true},
      {"POST", "/log-level", &Api::set_log_level, true},
      {"POST", server_path_begin, &Api::set_server, true},
  };
  return all;
}

void Api::handle(const HttpRequest& request, HttpReply reply) const {
  const bool is_server = request.path.starts_with(server_path_begin);
  const std::string_view path = is_server ? server_path_begin : std::string_view(request.path);
  std::string allowed;
  for (const Endpoint& endpoint : endpoints()) {
    if (endpoint.path != path || (endpoint.only_admin && access_ != Access::admin)) continue;
    if (endpoint.method == request.method) return (this->*endpoint.answer)(request, reply);
    allowed = endpoint.method;
  }
  if (allowed.empty()) {
    return reply.send(
        error_response(404, fmt::format("there is no '{}' here; see docs/admin.md", request.path)));
  }
  HttpResponse response =
      error_response(405, fmt::format("'{}' takes {} and not {}", request.path, allowed, request.method));
  response.fields = fmt::format("Allow: {}\r\n", allowed == "GET" ? "GET, HEAD" : allowed);
  reply.send(response);
}

void Api::dashboard(const HttpRequest& /*request*/, HttpReply reply) const {
  reply.send({.content_type = "text/html; charset=utf-8",
              .body = std::string(dashboard_page()),
              .fields = std::string(page_fields)});
}

/// For load balancers in front: a program that drains is to get no new clients, nor one that has lost a
/// worker.
void Api::health(const HttpRequest& /*request*/, HttpReply reply) const {
  program_.report([reply](const ProgramReport& report) {
    const bool is_stuck = std::ranges::any_of(report.workers, &WorkerReport::is_stuck);
    reply.send(report.is_draining ? text_response(503, "draining")
               : is_stuck         ? text_response(503, "a worker is stuck")
                                  : text_response(200, "ok"));
  });
}

void Api::status(const HttpRequest& /*request*/, HttpReply reply) const {
  program_.report([reply, &names = program_.metric_names()](const ProgramReport& report) {
    reply.send(json_response(status_document(report, names, version())));
  });
}

void Api::metrics(const HttpRequest& /*request*/, HttpReply reply) const {
  program_.report([reply, &names = program_.metric_names()](const ProgramReport& report) {
    reply.send({.content_type = "text/plain; version=0.0.4; charset=utf-8",
                .body = metrics_text(report, names, version()),
                .fields = {}});
  });
}

void Api::events(const HttpRequest& /*request*/, HttpReply reply) const {
  reply.stream(first_events_());
}

void Api::connections(const HttpRequest& request, HttpReply reply) const {
  auto filter = ConnectionFilter::parse(request.query);
  if (!filter) return reply.send(error_response(400, filter.error()));
  program_.list_connections(std::move(*filter), [reply](const ConnectionList& list) {
    reply.send(json_response(connections_document(list)));
  });
}

void Api::end_connections(const HttpRequest& request, HttpReply reply) const {
  auto filter = ConnectionFilter::parse(request.query);
  if (!filter) return reply.send(error_response(400, filter.error()));
  if (!filter->is_deliberate()) {
    return reply.send(
        error_response(400, "say which connections: ?id=, ?listener=, ?backend=, ?client=, ?name=, or ?all"));
  }
  program_.end_connections(
      std::move(*filter), [reply](std::size_t ended) { reply.send(json_response(Json{{"killed", ended}})); });
}

void Api::routes(const HttpRequest& /*request*/, HttpReply reply) const {
  program_.report(
      [reply](const ProgramReport& report) { reply.send(json_response(routes_document(report))); });
}

void Api::backends(const HttpRequest& /*request*/, HttpReply reply) const {
  program_.report([reply, &names = program_.metric_names()](const ProgramReport& report) {
    reply.send(json_response(backends_document(report, names)));
  });
}

void Api::reload(const HttpRequest& /*request*/, HttpReply reply) const {
  program_.reload([reply](const ReloadReport& result) {
    reply.send(json_response(reload_document(result), result.succeeded ? 200 : 422));
  });
}

void Api::drain(const HttpRequest& /*request*/, HttpReply reply) const {
  program_.drain();
  reply.send(json_response(Json{{"draining", true}}, 202));
}

void Api::upgrade(const HttpRequest& request, HttpReply reply) const {
  std::string binary;
  if (!request.body.empty()) {
    auto text = text_of(request.body, "binary");
    if (!text || !text->starts_with('/')) {
      return reply.send(error_response(400, R"(the body is {"binary": "/path"}, or empty)"));
    }
    binary = std::move(*text);
  }
  program_.upgrade(std::move(binary), [reply](const std::expected<std::string, std::string>& result) {
    if (!result) return reply.send(error_response(422, result.error()));
    reply.send(json_response(Json{{"upgraded", true}, {"message", *result}}));
  });
}

void Api::set_log_level(const HttpRequest& request, HttpReply reply) const {
  constexpr std::array<std::pair<std::string_view, LogLevel>, 5> levels{{{"debug", LogLevel::debug},
                                                                         {"info", LogLevel::info},
                                                                         {"warn", LogLevel::warning},
                                                                         {"warning", LogLevel::warning},
                                                                         {"error", LogLevel::error}}};
  const auto word = text_of(request.body, "level");
  if (!word)
    return reply.send(error_response(400, R"(the body is {"level": "debug"}, "info", "warn" or "error")"));
  const auto* const level =
      std::ranges::find_if(levels, [&](const auto& known) { return known.first == word; });
  if (level == levels.end()) {
    return reply.send(
        error_response(400, fmt::format("'{}' is no level: use debug, info, warn or error", *word)));
  }
  program_.set_log_level(level->second);
  reply.send(json_response(Json{{"level", *word}}));
}

/// /backends/NAME/servers/ADDRESS. The address of a unix socket has slashes of its own.
void Api::set_server(const HttpRequest& request, HttpReply reply) const {
  constexpr std::array<std::pair<std::string_view, ServerWish>, 3> wishes{
      {{"enabled", ServerWish::enabled}, {"disabled", ServerWish::disabled}, {"drain", ServerWish::drain}}};
  const std::string_view path = std::string_view(request.path).substr(server_path_begin.size());
  const std::size_t middle = path.find(server_path_middle);
  if (middle == std::string_view::npos) {
    return reply.send(error_response(404, "a server is called /backends/NAME/servers/ADDRESS"));
  }
  const std::string_view backend = path.substr(0, middle);
  const std::string_view address = path.substr(middle + server_path_middle.size());
  const auto word = text_of(request.body, "state");
  if (!word)
    return reply.send(error_response(400, R"(the body is {"state": "enabled"}, "disabled" or "drain")"));
  const auto* const wish =
      std::ranges::find_if(wishes, [&](const auto& known) { return known.first == word; });
  if (wish == wishes.end()) {
    return reply.send(
        error_response(400, fmt::format("'{}' is no state: use enabled, disabled or drain", *word)));
  }
  const auto done = program_.set_server(backend, address, wish->second);
  if (!done) return reply.send(error_response(404, done.error()));
  reply.send(json_response(Json{{"backend", backend}, {"server", address}, {"state", *word}}));
}

}  // namespace portshare
