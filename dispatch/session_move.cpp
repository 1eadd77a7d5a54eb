// A session that leaves for another process, or arrives from one.
//
// Only a relay can move whose bytes nobody looks at any more, or one of HTTP/1 between two requests: all
// others are soon one of these, or at their end. What is under way is cancelled, what has come by then goes
// along.
#include <cassert>
#include <utility>

#include "dispatch/session.h"
#include "dispatch/worker.h"

namespace portshare {

bool Session::is_movable() const {
  if (state_ != State::relaying || failed_ || http2_) return false;
  if (!exchange_) return true;
  return is_response_passed() && is_request_passed() && !upstream_.source_has_ended() &&
         !downstream_.source_has_ended() && downstream_.pending().empty();
}

void Session::move_if_movable() {
  if (!worker_.mover() || !is_movable()) return;
  state_ = State::moving;
  loop().cancel(timer_);
  for (Op* op : {&client_receive_, &client_send_, &server_receive_, &server_send_}) loop().cancel(*op);
  move_when_quiet();
}

/// An operation has ended while the session waits for all of them.
void Session::halted(RelayDirection& direction, bool is_intact, RelayDirection::Progress failure) {
  if (!is_intact && !move_failure_) move_failure_ = {&direction == &upstream_, failure};
  move_when_quiet();
}

void Session::move_when_quiet() {
  if (!is_quiet()) return;
  upstream_.halt(loop());
  downstream_.halt(loop());
  // Whatever else has happened, it is no longer one that can go.
  const bool is_http_at_end = exchange_ && (upstream_.source_has_ended() || downstream_.source_has_ended() ||
                                            !downstream_.pending().empty());
  if (move_failure_ || is_http_at_end) return stay();
  worker_.mover()(*this, state_to_move());
}

MovedSession Session::state_to_move() const {
  MovedSession moved;
  moved.client = client_;
  moved.server = server_;
  const auto direction_of = [](const RelayDirection& direction) {
    const ByteView bytes = direction.pending();
    return MovedDirection{.bytes = {bytes.begin(), bytes.end()},
                          .source_ended = direction.source_has_ended(),
                          .ended = direction.has_ended()};
  };
  moved.upstream = direction_of(upstream_);
  moved.downstream = direction_of(downstream_);
  const Config& config = snapshot_->config();
  const std::uint32_t backend = exchange_ ? exchange_->last_backend : backend_;
  const std::uint32_t server = exchange_ ? exchange_->last_server : server_index_;
  moved.listener = config.listeners[listener_].name;
  if (backend != AccessRecord::none) {
    moved.backend = config.backends[backend].name;
    moved.server_text = snapshot_->servers().servers(backend)[server].text;
  }
  moved.is_between_requests = exchange_ != nullptr;
  if (exchange_) moved.requests_to_server = exchange_->requests_to_server;
  moved.is_record_open = is_record_open_;
  moved.names = names_;  // those of the last request, if it is between two
  moved.name_length = name_length_;
  moved.protocol = protocol_;
  moved.knows_protocol = knows_protocol_;
  moved.tls = tls_;
  moved.source = source_;
  moved.destination = destination_;
  moved.route_line = route_line_;
  moved.bytes_in = bytes_in_;
  moved.bytes_out = bytes_out_;
  moved.age = loop().now() - started_at_;
  moved.first_flight_time = first_flight_time_;
  moved.connect_time = connect_time_;
  return moved;
}

void Session::moved(bool is_taken) {
  assert(state_ == State::moving);
  if (!is_taken) return stay();
  count_departure();
  is_record_open_ = false;  // the line in the log is for whoever sees the end
  state_ = State::relaying;
  terminate(Outcome::ok, CloseMode::handed_over);
}

/// It goes on here after all.
void Session::stay() {
  state_ = State::relaying;
  const auto failure = std::exchange(move_failure_, std::nullopt);
  if (worker_.is_terminating()) return terminate(Outcome::shutdown, CloseMode::reset);
  RelayDirection* const failed = !failure ? nullptr : failure->is_upstream ? &upstream_ : &downstream_;
  go_on(failed);
  if (failed && state_ == State::relaying) relayed(*failed, failure->progress);
  if (worker_.is_hastening()) drain();
}

/// Both directions, but for one that has failed.
void Session::go_on(const RelayDirection* failed) {
  last_activity_ = loop().now();
  watch_idleness();
  if (exchange_) {
    // It may have come just as the session was to leave.
    if (downstream_.source_has_ended()) server_ended();
    if (state_ != State::relaying) return;
    downstream_.read_ahead(loop());
    return relayed(upstream_, upstream_.resume(loop()));
  }
  for (RelayDirection* direction : {&upstream_, &downstream_}) {
    if (direction != failed && state_ == State::relaying) relayed(*direction, direction->restart(loop()));
  }
}

void Session::arrive(MovedSession moved) {
  state_ = State::relaying;
  server_ = moved.server;
  const auto backend = snapshot_->place_of(moved.backend, moved.server_text);
  protocol_ = moved.protocol;
  knows_protocol_ = moved.knows_protocol;
  tls_ = moved.tls;
  is_record_open_ = moved.is_record_open;
  names_ = std::move(moved.names);
  name_length_ = moved.name_length;
  names_are_old_ = moved.is_between_requests;
  source_ = moved.source;
  destination_ = moved.destination;
  route_line_ = moved.route_line;
  bytes_in_ = moved.bytes_in;
  bytes_out_ = moved.bytes_out;
  started_at_ = accepted_at_ = loop().now() - moved.age;
  first_flight_time_ = moved.first_flight_time;
  connect_time_ = moved.connect_time;
  // Over a limit it counts for nothing, but it was let in before.
  if (ListenerAdmission* admission = snapshot_->admission(listener_)) {
    auto place = admission->admit(source_ ? std::optional(source_->address) : std::nullopt, loop().now());
    if (place) place_ = std::move(*place);
  }
  if (backend) snapshot_->choice().take_place(backend->backend, backend->server, server_place_);
  if (moved.is_between_requests) {
    exchange_ = worker_.exchanges().make(listener().first_flight_limit);
    exchange_->requests_to_server = moved.requests_to_server;
    exchange_->last_backend = backend ? backend->backend : AccessRecord::none;
    exchange_->last_server = backend ? backend->server : AccessRecord::none;
  } else if (backend) {
    backend_ = backend->backend;
    server_index_ = backend->server;
  }
  is_http1_ = moved.is_between_requests;
  count_arrival(backend ? backend->backend : AccessRecord::none);
  upstream_.open(client_, server_, exchange_ ? &exchange_->requests : nullptr);
  downstream_.open(server_, client_, exchange_ ? &exchange_->responses : nullptr);
  upstream_.restore(std::move(moved.upstream.bytes), moved.upstream.source_ended, moved.upstream.ended);
  downstream_.restore(std::move(moved.downstream.bytes), moved.downstream.source_ended,
                      moved.downstream.ended);
  go_on(nullptr);
}

}  // namespace portshare
