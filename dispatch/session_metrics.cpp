// What a session counts, and what there is to see of it while it runs.
#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "dispatch/session.h"
#include "dispatch/worker.h"

namespace portshare {

void Session::count_for_backend(std::uint32_t metric_backend) {
  metric_backend_ = last_metric_backend_ = metric_backend;
  BackendCounters& counters = worker_.metrics().counters.backends[metric_backend];
  counters.bytes_in += bytes_in_ - (extras_ ? std::exchange(extras_->counted_ahead, 0) : 0);
  counters.bytes_out += bytes_out_;
}

void Session::count_route(const Route* route) {
  if (!route) return;
  const std::vector<std::uint32_t>& ids = snapshot_->metric_ids().routes;
  if (route->line >= ids.size() || ids[route->line] == MetricIds::none) return;
  ++worker_.metrics().counters.routes[ids[route->line]];
}

void Session::count_record() {
  if (metric_backend_ == MetricIds::none) count_for_backend(MetricIds::no_backend);
  if (is_http1_) {
    ++worker_.metrics().counters.backends[metric_backend_].requests[std::to_underlying(outcome_)];
  }
  if (kind_of(outcome_) != OutcomeKind::fine) count_failure();
  metric_backend_ = MetricIds::none;
}

void Session::count_failure() {
  RecordedFailure& failure = worker_.metrics().failures.next();
  failure.time = std::chrono::system_clock::now();
  failure.listener = snapshot_->metric_ids().listeners[listener_];
  failure.backend = metric_backend_;
  failure.outcome = outcome_;
  failure.client = source_;
  failure.server.clear();
  if (backend_ != AccessRecord::none && server_index_ != AccessRecord::none) {
    failure.server = snapshot_->servers().servers(backend_)[server_index_].text;
  }
  failure.name = logged_name();
}

void Session::remember_source(Outcome outcome) {
  if (!source_ && kind_of(outcome) != OutcomeKind::fine) source_ = loop().backend().peer_endpoint(client_);
}

void Session::count_relay() {
  Counters& counters = worker_.metrics().counters;
  if (connect_time_.count() >= 0) counters.connect.record(connect_time_);
  connected_metric_backend_ = metric_backend_;
  ++counters.backends[metric_backend_].connected;
}

void Session::count_arrival(std::uint32_t backend) {
  last_metric_backend_ = connected_metric_backend_ = snapshot_->metric_ids().of_backend(backend);
  ++worker_.metrics().counters.backends[connected_metric_backend_].connected;
  if (exchange_) {
    extras().counted_ahead = bytes_in_;
  } else {
    metric_backend_ = connected_metric_backend_;
  }
}

/// The other process goes on behind what has come here.
void Session::count_departure() {
  if (metric_backend_ == MetricIds::none) count_for_backend(last_metric_backend_);
}

void Session::count_server_left() {
  if (connected_metric_backend_ == MetricIds::none) return;
  --worker_.metrics().counters.backends[std::exchange(connected_metric_backend_, MetricIds::none)].connected;
}

void Session::count_end() {
  Counters& counters = worker_.metrics().counters;
  const std::uint32_t listener = snapshot_->metric_ids().listeners[listener_];
  ++counters.closed[Counters::closed_key(listener, last_metric_backend_)][std::to_underlying(outcome_)];
  counters.connection.record(worker_.loop().now() - accepted_at_);
}

void Session::describe(ConnectionView& view) const {
  const Config& config = snapshot_->config();
  const auto now = worker_.loop().now();
  view.number = number;
  view.listener = config.listeners[listener_].name;
  // Between requests those of the last one.
  const bool is_between = exchange_ && backend_ == AccessRecord::none;
  const std::uint32_t backend = is_between ? exchange_->last_backend : backend_;
  const std::uint32_t server = is_between ? exchange_->last_server : server_index_;
  if (backend != AccessRecord::none) view.backend = config.backends[backend].name;
  if (backend != AccessRecord::none && server != AccessRecord::none) {
    view.server = snapshot_->servers().servers(backend)[server].text;
  }
  view.name = std::string_view(names_).substr(0, name_length_);
  if (knows_protocol_) view.protocol = to_string(protocol_);
  view.state = state_word();
  // Where no rule asks for addresses, nobody has asked for them yet.
  view.client = source_ || is_ending() ? source_ : worker_.loop().backend().peer_endpoint(client_);
  view.destination =
      destination_ || is_ending() ? destination_ : worker_.loop().backend().local_endpoint(client_);
  view.age = now - accepted_at_;
  view.idle = now - std::max(last_activity_, accepted_at_);
  view.bytes_in = (extras_ ? extras_->earlier_bytes_in : 0) + bytes_in_;
  view.bytes_out = (extras_ ? extras_->earlier_bytes_out : 0) + bytes_out_;
}

std::string_view Session::state_word() const {
  switch (state_) {
    case State::proxy_header:
    case State::first_flight:
    case State::first_word:
      return "first_flight";
    case State::connecting:
    case State::announcing:
    case State::switching:
      return "connecting";
    case State::waiting:
      return "waiting";
    case State::relaying:
    case State::moving:
      return exchange_ && is_response_passed() && is_request_passed() ? "idle" : "relaying";
    case State::answering:
    case State::lingering:
    case State::terminating:
    case State::closing:
      return "ending";
  }
  return "";
}

}  // namespace portshare
