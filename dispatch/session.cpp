#include "dispatch/session.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <utility>

#include "dispatch/refusal.h"
#include "dispatch/worker.h"

namespace portshare {

using std::chrono::ceil;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// How long a refused client gets to take the answer and to close. Closing at once would reset the connection
// if the client is still sending, and the reset may overtake the answer (RFC 9112, section 9.6).
constexpr milliseconds answer_timeout{5'000};
// And how much it may still send meanwhile.
constexpr std::uint64_t lingering_limit = std::uint64_t{1} << 20;

// An idle connection is to cost 1 KiB at most, all in all (docs/performance.md).
static_assert(sizeof(Session) <= 944, "what few sessions need belongs into Session::Extras");
}  // namespace

Session::Session(Worker& worker, WorkerSnapshot& snapshot, std::uint32_t listener, Socket client)
    : worker_(worker),
      snapshot_(&snapshot),
      timer_([](void* session) { static_cast<Session*>(session)->timer_fired(); }, this),
      client_receive_(on_op<&Session::client_received>, this),
      client_send_(on_op<&Session::client_sent>, this),
      server_receive_(on_op<&Session::server_received>, this),
      server_send_(on_op<&Session::server_sent>, this),
      upstream_(client_receive_, server_send_),
      downstream_(server_receive_, client_send_),
      client_(client),
      listener_(listener),
      accepted_at_(worker.loop().now()),
      started_at_(accepted_at_) {
  snapshot.pin();
}

Loop& Session::loop() const {
  return worker_.loop();
}
const ListenerConfig& Session::listener() const {
  return snapshot_->config().listeners[listener_];
}

void Session::count_bytes_in(std::uint64_t count) {
  bytes_in_ += count;
  if (metric_backend_ != MetricIds::none) {
    worker_.metrics().counters.backends[metric_backend_].bytes_in += count;
  }
}

void Session::count_bytes_out(std::uint64_t count) {
  bytes_out_ += count;
  if (metric_backend_ != MetricIds::none) {
    worker_.metrics().counters.backends[metric_backend_].bytes_out += count;
  }
}

// --- What the loop reports ---

void Session::client_received(Op& op) {
  if (op.kind == Op::Kind::close) return closed();
  count_bytes_in(op.count);
  switch (state_) {
    case State::proxy_header:
      return read_proxy_header(op);
    case State::first_flight:
      return read_first_flight(op);
    case State::first_word:
      return read_first_word(op);
    case State::waiting:
    case State::connecting:
    case State::announcing:
    case State::switching:
      std::abort();  // nothing is received while there is no server
    case State::relaying:
    case State::moving:
      if (op.count > 0 && !std::exchange(is_record_open_, true)) started_at_ = loop().now();
      if (state_ == State::relaying) return relayed(upstream_, received_by(upstream_, op));
      return halted(upstream_, upstream_.halt_received(loop()), RelayDirection::Progress::source_failed);
    case State::answering:
    case State::lingering:
      extras().lingering_bytes += op.count;
      client_ended_ =
          client_ended_ || !op.succeeded() || op.count == 0 || extras().lingering_bytes > lingering_limit;
      discard(op);
      if (state_ == State::lingering) linger();
      return;
    case State::terminating:
      discard(op);
      return close_when_quiet();
    case State::closing:
      std::abort();
  }
}

void Session::client_sent(Op& op) {
  count_bytes_out(op.count);
  switch (state_) {
    case State::relaying:
      return relayed(downstream_, downstream_.sent(loop()));
    case State::moving:
      return halted(downstream_, downstream_.halt_sent(loop()), RelayDirection::Progress::sink_failed);
    case State::answering:
      return answer_sent(op);
    case State::terminating:
      return close_when_quiet();
    case State::proxy_header:
    case State::first_flight:
    case State::first_word:
    case State::waiting:
    case State::connecting:
    case State::announcing:
      return greeting_sent(op);
    case State::switching:
    case State::lingering:
    case State::closing:
      std::abort();
  }
}

void Session::server_received(Op& op) {
  if (state_ == State::relaying) return relayed(downstream_, received_by(downstream_, op));
  if (state_ == State::moving) {
    return halted(downstream_, downstream_.halt_received(loop()), RelayDirection::Progress::source_failed);
  }
  discard(op);
  switch (state_) {
    case State::announcing:
      return connect_next();  // the server that failed is closed
    case State::switching:
      return op.kind == Op::Kind::close ? connect_to(next_backend_) : switch_server();
    case State::answering:
    case State::lingering:
      return;  // the server is no longer listened to
    case State::terminating:
      return close_when_quiet();
    case State::closing:
      return closed();
    case State::connecting:
      return connect_failed(Status::refused);  // closed, because it was ourselves
    case State::proxy_header:
    case State::first_flight:
    case State::first_word:
    case State::waiting:
    case State::relaying:
    case State::moving:
      std::abort();
  }
}

/// What nobody wants any more.
void Session::discard(Op& received) {
  if (std::uint8_t* buffer = received.take_buffer()) loop().buffers().release(buffer);
  if (const Pipe pipe = received.take_pipe(); pipe != Pipe::none) loop().backend().release_pipe(pipe, false);
}

void Session::server_sent(Op& op) {
  // A connect that succeeds in spite of being cancelled has made a socket all the same.
  if (op.kind == Op::Kind::connect && op.succeeded()) server_ = op.socket;
  switch (state_) {
    case State::connecting:
      return connected(op);
    case State::announcing:
      return announced(op);
    case State::relaying:
      return relayed(upstream_, upstream_.sent(loop()));
    case State::moving:
      return halted(upstream_, upstream_.halt_sent(loop()), RelayDirection::Progress::sink_failed);
    case State::answering:
    case State::lingering:
      return;
    case State::terminating:
      return close_when_quiet();
    case State::proxy_header:
    case State::first_flight:
    case State::first_word:
    case State::waiting:
    case State::switching:
    case State::closing:
      std::abort();
  }
}

void Session::timer_fired() {
  switch (state_) {
    case State::proxy_header:
      return proxy_header_timed_out();
    case State::first_flight:
      return first_flight_timed_out();
    case State::first_word:
      return loop().cancel(client_receive_);
    case State::waiting:
      // Who has been called in this very moment goes in.
      return leave_queue() ? refuse(Outcome::unavailable) : void();
    case State::connecting:
    case State::announcing:
      return loop().cancel(server_send_);
    case State::relaying:
      return exchange_ && exchange_->head_is_partial ? refuse(Outcome::timeout) : check_idle();
    case State::switching:
      return;  // about to connect, which has its own deadline
    case State::answering:
    case State::lingering:
      return terminate(outcome_, CloseMode::orderly);
    case State::moving:
    case State::terminating:
    case State::closing:
      std::abort();  // the timer was cancelled
  }
}

// --- Relay ---

void Session::start_relay(std::uint32_t sent_ahead) {
  state_ = State::relaying;
  snapshot_->choice().connect_succeeded(backend_, server_index_);
  release_source();
  count_relay();
  last_activity_ = loop().now();
  server_receive_.expect_wait();
  watch_idleness();
  upstream_.open(client_, server_, exchange_ ? &exchange_->requests : http2_ ? &http2_->requests() : nullptr);
  downstream_.open(server_, client_,
                   exchange_ ? &exchange_->responses
                   : http2_  ? &http2_->responses()
                             : nullptr);
  awaits_first_word_ = first_bytes_.empty() && !exchange_ && !http2_;
  if (!first_bytes_.empty()) {
    snapshot_->note_first_speaker(backend_, true);
    upstream_.give(std::exchange(first_bytes_, {}), std::exchange(first_buffer_, nullptr));
  }
  upstream_.note_sent_ahead(sent_ahead);
  if (exchange_) {
    exchange_->requests_to_server = 0;
    return forward_request();
  }
  resume_both();
  move_if_movable();
}

void Session::watch_idleness() {
  if (listener().idle_timeout > milliseconds{0}) {
    loop().arm(timer_, listener().idle_timeout);
  } else {
    loop().cancel(timer_);
  }
}

/// The sending side first: only a send tells of a server that has reset a connection which took bytes with
/// the connect.
void Session::resume_both() {
  if (upstream_.is_paused()) relayed(upstream_, upstream_.resume(loop()));
  if (state_ == State::relaying && downstream_.is_paused()) relayed(downstream_, downstream_.resume(loop()));
}

RelayDirection::Progress Session::received_by(RelayDirection& direction, Op& op) {
  // After a failure the end of what the failed side had sent is the end of the session, not one to be passed
  // on.
  if (failed_ && op.succeeded() && op.count == 0) return RelayDirection::Progress::source_failed;
  if (failed_) op.last = false;
  if (awaits_first_word_ && op.succeeded() && op.count > 0) {
    awaits_first_word_ = false;
    snapshot_->note_first_speaker(backend_, &direction == &upstream_);
  }
  return direction.received(loop());
}

void Session::relayed(RelayDirection& direction, RelayDirection::Progress progress) {
  last_activity_ = loop().now();
  const bool is_upstream = &direction == &upstream_;
  if (is_upstream && first_flight_ && !upstream_.has_unsent()) release_first_flight();
  switch (progress) {
    case RelayDirection::Progress::running:
      if (exchange_ && is_upstream) watch_partial_head();
      if (http2_) carry_on_http2();
      return;
    case RelayDirection::Progress::source_ended:
      if (!exchange_) return end_direction(direction);
      return is_upstream ? client_ended() : server_ended();
    case RelayDirection::Progress::ended: {
      const RelayDirection& other = is_upstream ? downstream_ : upstream_;
      // After a failure nothing is left to come from the other direction either.
      if (failed_ || other.has_ended()) return terminate(failed_.value_or(Outcome::ok), CloseMode::orderly);
      if (exchange_ && is_response_passed()) exchange_done();  // of a request that was cut off
      return;
    }
    case RelayDirection::Progress::source_failed:
      return source_failed(is_upstream);
    case RelayDirection::Progress::sink_failed:
      return sink_failed(direction, is_upstream);
    case RelayDirection::Progress::paused:
      if (http2_) return carry_on_http2();
      return is_upstream ? request_paused() : response_paused();
    case RelayDirection::Progress::malformed:
      if (http2_) return http2_malformed(is_upstream);
      return is_upstream ? request_malformed() : response_malformed();
  }
}

void Session::end_direction(RelayDirection& direction) {
  const RelayDirection& other = &direction == &upstream_ ? downstream_ : upstream_;
  // Where nothing is left to come from the other side either, closing says it.
  if (other.has_ended() && !failed_) return terminate(Outcome::ok, CloseMode::orderly);
  direction.end(loop());
}

void Session::source_failed(bool is_upstream) {
  const Status status = is_upstream ? client_receive_.status : server_receive_.status;
  if (!is_upstream && exchange_ && failed_ != Outcome::client_reset && !is_shortage(status)) {
    // A server that has answered owes nothing: to the client this is no failure. For one that has not begun
    // to answer, the client gets an answer from here.
    if (!failed_ && is_response_passed()) return server_ended();
    if (exchange_->responses.is_expected()) return server_gave_no_answer();
  }
  if (failed_) return terminate(*failed_, CloseMode::reset);
  if (is_shortage(status)) return terminate(Outcome::unavailable, CloseMode::reset);
  terminate(is_upstream ? Outcome::client_reset : Outcome::server_reset, CloseMode::reset);
}

void Session::sink_failed(RelayDirection& direction, bool is_upstream) {
  // The side that no longer takes bytes may have sent some that are still on their way: a server that answers
  // early and closes, say. The other direction carries them until it reaches the failure itself.
  direction.release(loop());
  if (failed_) return terminate(*failed_, CloseMode::reset);
  failed_ = is_upstream ? Outcome::server_reset : Outcome::client_reset;
  if (exchange_ && is_upstream && is_response_passed()) return exchange_done();
  // What it had sent has been passed on to its end, and must not be taken back by a reset.
  const RelayDirection& other = is_upstream ? downstream_ : upstream_;
  if (other.has_ended()) return terminate(*failed_, CloseMode::orderly);
  // Between its messages the other direction would wait for something that cannot come.
  if (other.is_paused()) terminate(*failed_, CloseMode::reset);
}

void Session::check_idle() {
  const auto quiet = loop().now() - last_activity_;
  if (quiet < listener().idle_timeout) {
    // Arming the timer anew for every byte would cost more than this look now and then.
    return loop().arm(timer_, ceil<milliseconds>(listener().idle_timeout - quiet));
  }
  // An orderly close would tell a peer which does not read that it has got everything, and the client the
  // same about a response which ends with the connection.
  const bool truncates = upstream_.has_unsent() || downstream_.has_unsent() ||
                         (exchange_ && !is_response_passed() && exchange_->responses.may_end());
  terminate(Outcome::idle, truncates ? CloseMode::reset : CloseMode::orderly);
}

void Session::drain() {
  if (http2_) return announce_http2_end();
  const bool is_idle = state_ == State::relaying && exchange_ && is_response_passed() &&
                       is_request_passed() && upstream_.pending().empty();
  if (is_idle) terminate(Outcome::ok, CloseMode::orderly);
}

// --- Refusals ---

void Session::refuse(Outcome outcome) {
  outcome = refused_as_.value_or(outcome);
  remember_source(outcome);
  if (http2_ || (first_flight_ && first_flight_->is_http2())) return refuse_http2(outcome);
  const Refusal refusal = refusal_for(protocol_, outcome);
  if (refusal.reset) return terminate(outcome, CloseMode::reset);
  // A client that was too slow is not waited for any longer. The others, which may still be sending, are to
  // see an end and not a reset.
  if (refusal.answer.empty() && outcome == Outcome::timeout) return terminate(outcome, CloseMode::orderly);
  // A send that is being cancelled may still read them.
  if (server_send_.is_idle()) release_first_bytes();
  say_goodbye(outcome, refusal.answer);
}

void Session::say_goodbye(Outcome outcome, ByteView answer) {
  state_ = State::answering;
  outcome_ = outcome;
  answer_ = answer;
  loop().cancel(server_receive_);
  loop().cancel(server_send_);
  loop().arm(timer_, answer_timeout);
  if (!downstream_.has_unsent()) send_answer();
}

void Session::send_answer() {
  if (downstream_.has_ended()) return await_client_end();  // it went with the last bytes
  if (answer_.empty()) return loop().shutdown(client_send_, client_);
  loop().send(client_send_, client_, answer_);
}

void Session::answer_sent(Op& op) {
  if (!op.succeeded()) return terminate(outcome_, CloseMode::orderly);
  if (downstream_.has_unsent()) {  // what was under way before
    if (downstream_.finish_sending(loop())) send_answer();
    return;
  }
  if (op.kind == Op::Kind::send) {
    answer_ = answer_.subspan(op.count);
    return send_answer();
  }
  await_client_end();
}

void Session::await_client_end() {
  state_ = State::lingering;
  linger();
}

void Session::linger() {
  if (client_ended_) return terminate(outcome_, CloseMode::orderly);
  if (client_receive_.is_idle()) loop().receive(client_receive_, client_);
}

// --- The end ---

void Session::terminate(Outcome outcome, CloseMode mode) {
  // One that moves is asked when it is known where it goes on.
  if (is_ending() || state_ == State::moving) return;
  // A refusal has its outcome already, however the waiting for the client ends.
  if (state_ != State::answering && state_ != State::lingering) {
    outcome_ = refused_as_.value_or(outcome);
  }
  remember_source(outcome_);
  close_mode_ = mode;
  if (server_close_mode_ == CloseMode::orderly) server_close_mode_ = mode;
  state_ = State::terminating;
  loop().cancel(timer_);
  if (waiter_) (void)leave_queue();
  for (Op* op : {&client_receive_, &client_send_, &server_receive_, &server_send_}) loop().cancel(*op);
  close_when_quiet();
}

bool Session::is_quiet() const {
  return client_receive_.is_idle() && client_send_.is_idle() && server_receive_.is_idle() &&
         server_send_.is_idle() && !waiter_;
}

void Session::close_when_quiet() {
  if (!is_quiet()) return;
  state_ = State::closing;
  release_first_bytes();
  release_announcement();
  release_source();
  upstream_.release(loop());
  downstream_.release(loop());
  if (exchange_) worker_.exchanges().release(std::exchange(exchange_, nullptr));
  if (http2_) worker_.http2_exchanges().release(std::exchange(http2_, nullptr));
  place_ = {};  // before the client can know: it may come again at once
  count_server_left();
  if (server_ != Socket::none) {
    const bool is_at_end = downstream_.source_has_ended() && server_receive_.succeeded() &&
                           server_close_mode_ == CloseMode::orderly;
    loop().close(server_receive_, server_, is_at_end ? CloseMode::after_end : server_close_mode_);
  }
  loop().close(client_receive_, client_, close_mode_);
}

void Session::closed() {
  if (!is_quiet()) return;
  server_place_.release();  // not before its socket is closed: whoever comes next is not one too many
  if (is_record_open_) log();
  count_end();
  worker_.finished(*this);
}

void Session::release_first_flight() {
  if (first_flight_) worker_.first_flights().release(std::exchange(first_flight_, nullptr));
}

void Session::release_first_buffer() {
  if (first_buffer_) loop().buffers().release(std::exchange(first_buffer_, nullptr));
}

void Session::release_first_bytes() {
  first_bytes_ = {};
  release_first_buffer();
  release_first_flight();
}

}  // namespace portshare
