// What a session does on a connection that carries cleartext HTTP/2. It goes to the backend of its first
// request; later ones for another are answered 421 in between, and the others go on (docs/adr/0004).
#include <utility>

#include "core/http_forwarded.h"
#include "dispatch/refusal.h"
#include "dispatch/session.h"
#include "dispatch/worker.h"

namespace portshare {

using std::chrono::microseconds;

/// The client may be waiting for the server's SETTINGS before it says what it wants, as those of gRPC do, and
/// the server is not known before. So it gets empty ones, which promise nothing; the server's come behind
/// them.
void Session::greet_http2() {
  if (!first_flight_->awaits_http2_settings() || std::exchange(is_greeted_, true)) return;
  downstream_.inject(loop(), client_, http2_settings());
}

void Session::greeting_sent(Op& op) {
  if (!op.succeeded()) return terminate(Outcome::client_reset, CloseMode::reset);
  downstream_.finish_sending(loop());
}

void Session::begin_http2(std::uint32_t backend) {
  const H2Exchange::Router router{
      .is_for_this_server =
          [](void* session, const H2Request& request) {
            return static_cast<Session*>(session)->is_for_this_backend(request);
          },
      .owner = this,
  };
  HeaderFields additions;
  if (snapshot_->config().backends[backend].forwarded) {
    additions = forwarded_fields(source_ ? std::optional(source_->address) : std::nullopt);
  }
  http2_ = worker_.http2_exchanges().make(first_flight_->http2(), first_flight_->http2_request(), is_greeted_,
                                          additions, listener().first_flight_limit, router);
  if (worker_.has_stopped_accepting()) http2_->announce_end();
}

/// The server keeps such a connection open for as long as the client does, and only the client knows when it
/// has no more requests.
void Session::announce_http2_end() {
  http2_->announce_end();
  if (state_ == State::relaying) carry_on_http2();
}

/// After each step of either direction.
void Session::carry_on_http2() {
  if (failed_ || downstream_.source_has_ended()) http2_->drop_insertion();
  if (http2_->has_insertion() && !downstream_.has_unsent()) {
    downstream_.inject(loop(), client_, http2_->take_insertion());
  }
  if (upstream_.is_paused() && !http2_->is_full()) relayed(upstream_, upstream_.resume(loop()));
}

bool Session::is_for_this_backend(const H2Request& request) {
  RouteQuery query;
  query.destination = destination_;
  if (source_) query.source = source_->address;
  query.protocol = Protocol::http;
  query.name = request.authority.view();
  query.name_source = NameSource::host;
  const Route* route = snapshot_->config().routes.find(listener_, query);
  count_route(route);
  worker_.metrics().names.count(query.name, loop().now());
  if (backend_of(route) == backend_) return true;
  const bool has_no_route = !route && !listener().default_backend;
  const Outcome outcome = has_no_route ? Outcome::no_route : Outcome::rejected;
  ++worker_.metrics().counters.backends[MetricIds::no_backend].requests[std::to_underlying(outcome)];
  if (snapshot_->logs_access()) log_misdirected(request, route, outcome);
  return false;
}

void Session::log_misdirected(const H2Request& request, const Route* route, Outcome outcome) {
  AccessRecord record = begin_record(microseconds{0});
  record.outcome = outcome;
  if (route) record.route_line = route->line;
  worker_.log(record, request.authority.view(), logged_alpn());
}

void Session::http2_malformed(bool is_upstream) {
  if (!is_upstream) return terminate(Outcome::server_reset, CloseMode::reset);
  if (failed_) return terminate(*failed_, CloseMode::reset);
  const Outcome outcome = http2_->is_too_large() ? Outcome::too_large : Outcome::malformed;
  if (downstream_.source_has_ended()) return terminate(outcome, CloseMode::orderly);
  extras().http2_answer = http2_->goodbye(outcome);
  say_goodbye(outcome, extras_->http2_answer);
}

void Session::refuse_http2(Outcome outcome) {
  const std::uint32_t stream = http2_ ? http2_->first_stream() : first_flight_->http2().stream();
  extras().http2_answer = http2_refusal_for(outcome, stream);
  release_first_bytes();
  say_goodbye(outcome, extras_->http2_answer);
}

}  // namespace portshare
