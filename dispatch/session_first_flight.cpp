// A session from its accept to its route, and by addresses alone to the first bytes behind it.
#include <cassert>
#include <chrono>
#include <utility>

#include "dispatch/session.h"
#include "dispatch/worker.h"

namespace portshare {

using std::chrono::ceil;
using std::chrono::milliseconds;

namespace {

// How long a server does not hear of a connection whose client is about to say something.
constexpr milliseconds first_word_patience{5};

}  // namespace

void Session::start() {
  if (snapshot_->needs_destination(listener_)) destination_ = loop().backend().local_endpoint(client_);
  if (snapshot_->needs_source(listener_)) {
    source_ = loop().backend().peer_endpoint(client_);
    // A client that has reset its connection no longer has an address by which it could be refused or routed,
    // but may have left bytes. On a unix socket neither end has one.
    if (!source_ && (destination_ || loop().backend().local_endpoint(client_)))
      return terminate(Outcome::client_reset, CloseMode::reset);
  }
  if (listener().proxy_header != ProxyHeaderPolicy::off) return await_proxy_header();
  begin();
}

/// The addresses are known, for good. Some of the client's bytes may have come already.
void Session::begin() {
  state_ = State::first_flight;
  if (!admit()) return;
  if (!listener().reads_first_flight()) return route();
  watch_first_flight();
  if (!first_bytes_.empty()) return recognise(first_flight_ ? ByteView() : first_bytes_);
  loop().receive(client_receive_, client_);
}

/// Once for all that comes before the route.
void Session::watch_first_flight() {
  const milliseconds timeout = listener().first_flight_timeout;
  if (timer_.is_armed() || timeout <= milliseconds{0}) return;
  // A client that has nothing to say when it is accepted has been waited for already.
  loop().arm(timer_, listener().defers_accept() ? timeout - ListenerConfig::accept_deferral : timeout);
}

/// Some of the first flight has come, not all.
void Session::watch_rest_of_first_flight() {
  constexpr milliseconds at_once{100};
  const auto age = loop().now() - started_at_;
  const milliseconds timeout = listener().first_flight_timeout;
  if (!listener().defers_accept() || timeout <= milliseconds{0} || age >= at_once) return;
  loop().arm(timer_, ceil<milliseconds>(timeout - age));
}

void Session::read_first_flight(Op& op) {
  if (!op.succeeded()) {
    // Cancelled means that the time is over and the silent backend waits for this client.
    if (goes_to_silent_ && op.status == Status::cancelled) return go_to_silent_backend();
    return first_receive_failed(op.status);
  }
  if (op.count == 0) {
    client_ended_ = true;
    if (!first_flight_) return terminate(Outcome::ok, CloseMode::orderly);
    return refuse(Outcome::malformed);  // what is incomplete now stays so
  }
  first_bytes_ = op.received();
  first_buffer_ = op.take_buffer();
  if (goes_to_silent_) return go_to_silent_backend();  // it spoke just too late
  recognise(first_bytes_);
}

void Session::first_receive_failed(Status status) {
  terminate(is_shortage(status) ? Outcome::unavailable : Outcome::client_reset, CloseMode::reset);
}

/// `received` is what the first flight does not have yet of `first_bytes_`.
void Session::recognise(ByteView received) {
  if (!first_flight_) first_flight_ = worker_.first_flights().make(listener());
  const FirstFlight::Progress progress = first_flight_->read(received);
  protocol_ = first_flight_->protocol();
  tls_ = first_flight_->tls();
  is_http1_ = protocol_ == Protocol::http && !first_flight_->is_http2();
  knows_protocol_ = protocol_ != Protocol::any || progress == FirstFlight::Progress::complete;
  switch (progress) {
    case FirstFlight::Progress::need_more:
      release_first_buffer();
      watch_rest_of_first_flight();
      greet_http2();
      return loop().receive(client_receive_, client_);
    case FirstFlight::Progress::malformed:
      return refuse(Outcome::malformed);
    case FirstFlight::Progress::too_large:
      return refuse(Outcome::too_large);
    case FirstFlight::Progress::complete:
      break;
  }
  first_flight_time_ = loop().now() - started_at_;
  worker_.metrics().counters.first_flight.record(first_flight_time_);
  first_bytes_ = first_flight_->bytes();
  if (first_flight_->keeps_bytes()) release_first_buffer();
  route();
}

void Session::first_flight_timed_out() {
  if (first_flight_ || refused_as_) return refuse(Outcome::timeout);
  if (!listener().silent_backend) return terminate(Outcome::timeout, CloseMode::orderly);
  goes_to_silent_ = true;
  loop().cancel(client_receive_);
}

void Session::go_to_silent_backend() {
  count_for_backend(snapshot_->metric_ids().backends[*listener().silent_backend]);
  prepare_announcement(*listener().silent_backend, {});
  connect_to(*listener().silent_backend);
}

void Session::route() {
  RouteQuery query;
  query.destination = destination_;
  if (source_) query.source = source_->address;
  if (first_flight_) first_flight_->describe(query);
  const bool is_http2 = first_flight_ && first_flight_->is_http2();
  if (first_flight_ && protocol_ == Protocol::http && !is_http2) {
    exchange_ = worker_.exchanges().make(listener().first_flight_limit);
    exchange_->requests.take_head(first_flight_->http_head());
  }
  remember_names(query);
  const auto backend = find_backend(query);
  if (backend && is_http2) begin_http2(*backend);
  if (backend) prepare_announcement(*backend, query);
  if (first_buffer_) release_first_flight();  // the buffer has all bytes, and the names are copied
  if (!backend) return;
  if (listener().reads_first_flight() || !first_bytes_.empty()) return connect_to(*backend);
  await_first_word(*backend);
}

/// Nobody has to wait for a byte here, but one that has come can go with the connect. Where clients have
/// always spoken first, the next one is but a moment behind its connection: that spares us a wake-up, and the
/// server another (docs/adr/0013-first-bytes-go-with-the-connect.md).
void Session::await_first_word(std::uint32_t backend) {
  state_ = State::first_word;
  next_backend_ = backend;
  if (!snapshot_->clients_speak_first(backend)) return loop().receive_now(client_receive_, client_);
  loop().arm(timer_, first_word_patience);
  loop().receive(client_receive_, client_);
}

void Session::read_first_word(Op& op) {
  const bool goes_without =
      op.status == Status::nothing_yet || op.status == Status::cancelled || is_shortage(op.status);
  if (!op.succeeded() && !goes_without) return first_receive_failed(op.status);
  // If it is an end that has come, the relay will see it again.
  if (op.count > 0) {
    first_bytes_ = op.received();
    first_buffer_ = op.take_buffer();
  }
  connect_to(next_backend_);
}

std::optional<std::uint32_t> Session::find_backend(const RouteQuery& query) {
  if (refused_as_) {
    refuse(*refused_as_);
    return std::nullopt;
  }
  const Route* route = snapshot_->config().routes.find(listener_, query);
  if (route) route_line_ = route->line;
  count_route(route);
  const auto backend = backend_of(route);
  if (backend) count_for_backend(snapshot_->metric_ids().backends[*backend]);
  if (!backend) refuse(route ? Outcome::rejected : Outcome::no_route);
  return backend;
}

std::optional<std::uint32_t> Session::backend_of(const Route* route) const {
  if (!route) return listener().default_backend;
  return route->backend == RouteRule::reject ? std::nullopt : std::optional(route->backend);
}

}  // namespace portshare
