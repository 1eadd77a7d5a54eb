// How a session goes from request to request on a connection that carries HTTP/1. One request is under way at
// a time: the next one is read and routed when the response to the last one has passed whole, so requests for
// different backends are answered in order, and none ever reaches another one's backend.
#include <array>
#include <cassert>
#include <optional>
#include <utility>

#include "core/http_forwarded.h"
#include "dispatch/session.h"
#include "dispatch/worker.h"

namespace portshare {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// A filter is ahead of the wire: what it has counted may still be on its way out.

bool Session::is_request_passed() const {
  return exchange_->requests.is_between_requests() && !upstream_.has_unsent();
}

bool Session::is_response_passed() const {
  return exchange_->responses.is_complete() && !downstream_.has_unsent();
}

/// The head at the front of what the client sent goes to the server that is connected.
void Session::forward_request() {
  HttpRequestFilter& requests = exchange_->requests;
  const HttpHead& head = requests.head();
  std::size_t length = head.length;
  if (snapshot_->config().backends[backend_].forwarded) {
    std::array<char, max_forwarded_length> space;
    const auto lines = write_forwarded(source_ ? std::optional(source_->address) : std::nullopt, space);
    upstream_.insert(loop(), head.fields_end, as_bytes(lines));
    length += lines.size();
  }
  if (head.upgrade_to_http2) {
    // HTTP/2 has a door of its own here, and behind this one its requests would pass unseen. A server may
    // ignore the offer (RFC 9113, 3.1), so it gets no chance to take it.
    upstream_.erase(loop(), head.http2_offer, head.http2_offer_length);
    length -= head.http2_offer_length;
  }
  ++exchange_->requests_to_server;
  exchange_->responses.expect(requests.context());
  requests.forward(length);
  resume_both();
}

void Session::request_paused() {
  if (failed_) return terminate(*failed_, CloseMode::reset);  // the client, which will not take the answer
  if (exchange_->requests.has_head()) return next_request();
  if (is_response_passed()) return exchange_done();  // it was answered before it was complete
  // Nothing is read from the client while the server works, but its end and its reset are to be noticed.
  upstream_.read_ahead(loop());
}

void Session::response_paused() {
  if (exchange_->responses.is_tunnel()) {
    upstream_.set_filter(nullptr);
    downstream_.set_filter(nullptr);
    worker_.exchanges().release(std::exchange(exchange_, nullptr));
    resume_both();
    return move_if_movable();
  }
  // Answered before it was complete? A server that wants no more closes; the others get the rest.
  const bool wants_rest = exchange_->responses.head().keep_alive && !upstream_.has_ended() && !failed_;
  if (is_request_passed() || !wants_rest) return exchange_done();
  downstream_.read_ahead(loop());
}

/// A request and its response have passed.
void Session::exchange_done() {
  const bool is_given_up = downstream_.source_has_ended() && upstream_.pending().empty();  // by the server
  const bool goes_on = is_request_passed() && !failed_ && !is_given_up &&
                       exchange_->requests.head().keep_alive && exchange_->responses.head().keep_alive &&
                       !worker_.is_draining() && !is_listener_gone();
  const std::uint64_t carried_over = is_request_passed() ? upstream_.pending().size() : 0;
  bytes_in_ -= carried_over;
  log();
  is_record_open_ = goes_on && carried_over > 0;
  extras().earlier_bytes_in += bytes_in_;
  extras().earlier_bytes_out += bytes_out_;
  bytes_in_ = carried_over;
  extras().counted_ahead = carried_over;
  bytes_out_ = 0;
  started_at_ = loop().now();
  first_flight_time_ = connect_time_ = microseconds{-1};
  names_are_old_ = true;
  route_line_ = AccessRecord::none;
  exchange_->last_backend = std::exchange(backend_, AccessRecord::none);
  exchange_->last_server = std::exchange(server_index_, AccessRecord::none);
  // The client reads the end of the connection from the same heads; our end comes behind the response, not
  // instead of it.
  if (!goes_on) return say_goodbye(Outcome::ok, {});
  downstream_.read_ahead(loop());
  relayed(upstream_, upstream_.resume(loop()));
  move_if_movable();
}

/// A reload has taken away the listener on which the connection came: no further request is for it.
bool Session::is_listener_gone() const {
  const WorkerSnapshot& newest = worker_.snapshot();
  return &newest != snapshot_ && !newest.same_listener(*snapshot_, listener_);
}

/// Each request is routed by the newest rules, and still goes over the server's connection that there is, if
/// they lead there.
void Session::follow_reload() {
  WorkerSnapshot& newest = worker_.snapshot();
  if (&newest == snapshot_) return;
  const auto listener = newest.same_listener(*snapshot_, listener_);
  if (!listener) return;
  std::optional<WorkerSnapshot::Place> place;
  if (exchange_->last_backend != AccessRecord::none) {
    place = newest.same_server(*snapshot_, {exchange_->last_backend, exchange_->last_server});
  }
  exchange_->last_backend = place ? place->backend : AccessRecord::none;
  exchange_->last_server = place ? place->server : AccessRecord::none;
  listener_ = *listener;
  newest.pin();
  worker_.unpin(*std::exchange(snapshot_, &newest));
  if (!source_ && newest.needs_source(listener_)) source_ = loop().backend().peer_endpoint(client_);
  if (!destination_ && newest.needs_destination(listener_)) {
    destination_ = loop().backend().local_endpoint(client_);
  }
}

/// A further request has been read and not yet gone anywhere.
void Session::next_request() {
  follow_reload();
  exchange_->head_is_partial = false;
  first_flight_time_ = loop().now() - started_at_;
  worker_.metrics().counters.first_flight.record(first_flight_time_);
  const HttpHead& head = exchange_->requests.head();
  RouteQuery query;
  query.destination = destination_;
  if (source_) query.source = source_->address;
  query.protocol = Protocol::http;
  if (head.has_host) {
    query.name = head.host.view();
    query.name_source = NameSource::host;
  }
  remember_names(query);
  const auto backend = find_backend(query);
  if (!backend) return;
  // What a server says before it is asked is no answer to this request. Often it is a 408 before a close.
  const bool server_waits = !downstream_.source_has_ended() && downstream_.pending().empty();
  if (*backend == exchange_->last_backend && server_waits) {
    backend_ = *backend;
    server_index_ = exchange_->last_server;
    watch_idleness();
    return forward_request();
  }
  prepare_announcement(*backend, query);
  next_backend_ = *backend;
  state_ = State::switching;
  loop().cancel(server_receive_);
  switch_server();
}

void Session::switch_server() {
  if (!server_receive_.is_idle()) return;
  const bool is_at_end = downstream_.source_has_ended() && server_receive_.succeeded();
  const CloseMode mode = is_at_end ? CloseMode::after_end : CloseMode::orderly;
  downstream_.reset(loop());
  count_server_left();
  loop().close(server_receive_, std::exchange(server_, Socket::none), mode);
}

void Session::client_ended() {
  const bool is_answered = is_response_passed();
  if (!is_request_passed()) {
    // In the middle of a body: the server has to know, and may have something to say about it.
    return upstream_.end(loop());
  }
  if (!is_answered) return;  // half-closed; the end comes behind the response
  if (!upstream_.pending().empty()) return refuse(Outcome::malformed);
  terminate(Outcome::ok, CloseMode::orderly);
}

void Session::server_ended() {
  const HttpResponseFilter& responses = exchange_->responses;
  if (is_response_passed()) {
    if (!is_request_passed()) {
      // A server that has answered early may end its stream and still take the rest of the request.
      if (!server_receive_.succeeded()) exchange_done();
    } else if (upstream_.pending().empty()) {
      // An idle connection that the server gives up. What the client may have sent goes to a new one.
      terminate(Outcome::ok, CloseMode::orderly);
    }
    return;
  }
  if (responses.may_end()) return exchange_done();
  if (!responses.is_untouched()) return say_goodbye(Outcome::server_reset, {});
  server_gave_no_answer();
}

void Session::server_gave_no_answer() {
  // What is not the whole of a request cannot be answered (RFC 9112, 8).
  const bool is_whole = exchange_->requests.is_between_requests();  // maybe with its end still to be sent
  if (!is_whole && upstream_.source_has_ended() && !failed_) return refuse(Outcome::malformed);
  // On a fresh connection the server is at fault; one that was kept open may just have been closed
  // too early for this request, which a client knows how to repeat if it sees the close.
  server_close_mode_ = CloseMode::reset;
  if (exchange_->requests_to_server == 1) return refuse(Outcome::refused);
  say_goodbye(Outcome::server_reset, {});
}

void Session::request_malformed() {
  const Outcome outcome = exchange_->requests.is_too_large() ? Outcome::too_large : Outcome::malformed;
  // The server must not take what it has for the whole of a request.
  const bool is_cut_off = !is_request_passed();
  if (is_cut_off) server_close_mode_ = CloseMode::reset;
  if (is_cut_off && !(exchange_->responses.is_untouched() && client_send_.is_idle())) {
    return terminate(outcome, CloseMode::reset);
  }
  refuse(outcome);
}

void Session::response_malformed() {
  server_close_mode_ = CloseMode::reset;
  if (exchange_->responses.is_untouched()) return refuse(Outcome::refused);
  terminate(Outcome::server_reset, CloseMode::reset);
}

/// A head that has begun has to be complete in first_flight_timeout, like the first one: dripping bytes keep
/// no connection open.
void Session::watch_partial_head() {
  if (!is_request_passed() || !is_response_passed() || upstream_.pending().empty()) return;
  if (listener().first_flight_timeout <= milliseconds{0}) return;
  if (std::exchange(exchange_->head_is_partial, true)) return;
  loop().arm(timer_, listener().first_flight_timeout);
}

}  // namespace portshare
