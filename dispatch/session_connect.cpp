// The way to a server of the backend: who is asked, who is asked next, and waiting until somebody has room.
#include <algorithm>
#include <cassert>
#include <utility>

#include "dispatch/session.h"
#include "dispatch/worker.h"

namespace portshare {

void Session::connect_to(std::uint32_t backend) {
  assert(!refused_as_);
  const auto server_count = static_cast<std::uint32_t>(snapshot_->servers().servers(backend).size());
  backend_ = backend;
  attempts_left_ = std::min(snapshot_->config().backends[backend].retries + 1, server_count);
  if (extras_) extras_->tried.clear();
  connect_outcome_ = Outcome::unavailable;
  connect_started_ = loop().now();
  server_place_.release();
  // Nobody overtakes those that wait. But where all servers have gone meanwhile, nobody joins them: in a busy
  // hour the queue would never end, and everybody wait to be told what is known.
  const BackendServers& servers = snapshot_->servers().backend(backend_);
  if (servers.max_connections != 0 && servers.queue->size() != 0 &&
      snapshot_->choice().is_worth_waiting(backend_)) {
    return wait_for_room(ServerQueue::Place::last);
  }
  connect_next();
}

void Session::connect_next(ServerQueue::Place place_if_full) {
  server_place_.release();
  state_ = State::connecting;
  ServerChoice& choice = snapshot_->choice();
  server_index_ = choice.pick({.backend = backend_,
                               .source = source_ ? std::optional(source_->address) : std::nullopt,
                               .tried = tried(),
                               .now = loop().now()},
                              server_place_);
  if (server_index_ < ServerChoice::all_full) return connect_to_server();
  const bool may_wait = server_index_ == ServerChoice::all_full;
  server_index_ = tried().empty() ? AccessRecord::none : tried().back();
  if (may_wait) return wait_for_room(place_if_full);
  refuse(connect_outcome_);
}

void Session::connect_to_server() {
  --attempts_left_;
  if (!tried().empty()) ++worker_.metrics().counters.backends[metric_backend_].retries;
  const Server& server = snapshot_->servers().servers(backend_)[server_index_];
  if (server.leads_back_if_local && worker_.is_known_loop(server)) return connect_failed(Status::refused);
  loop().arm(timer_, snapshot_->config().backends[backend_].connect_timeout);
  const Opening opening = opening_for(server);
  if (snapshot_->config().backends[backend_].is_transparent) return connect_from_source(server, opening);
  loop().connect(server_send_, server.address, opening);
}

/// What can go with the connect: only what goes to any server as it is.
Opening Session::opening_for(const Server& server) const {
  const ByteView bytes = first_bytes_.empty() ? upstream_.pending() : first_bytes_;
  // Ourselves would take it for a client's, and connect again.
  if (server.leads_back_if_local) return {.follows = announcement_ || !bytes.empty()};
  if (announcement_) return {.bytes = announcement_->header};
  if (http2_) return {.follows = true};
  if (!exchange_) return {.bytes = bytes};
  const HttpHead& head = exchange_->requests.head();
  if (snapshot_->config().backends[backend_].forwarded || head.upgrade_to_http2) return {.follows = true};
  // Of what comes behind the head the filter lets a counted body go on in any case.
  const std::uint64_t body = head.body == HttpHead::Body::content_length ? head.content_length : 0;
  return {.bytes = bytes.first(head.length + std::min<std::uint64_t>(body, bytes.size() - head.length))};
}

/// A client without an address, or with one of the other family, cannot be anybody's at this server, which is
/// not the server's fault.
void Session::connect_from_source(const Server& server, Opening opening) {
  if (!source_ || source_->address.is_v4() != server.address.ip->address.is_v4()) {
    return try_another(Status::unreachable);
  }
  SourcedAddress*& address = extras().sourced_address;
  if (!address) address = worker_.sourced_addresses().make();
  static_cast<SocketAddress&>(*address) = server.address;
  address->source = source_->address;
  loop().connect(server_send_, *address, opening);
}

void Session::release_source() {
  if (!extras_ || !extras_->sourced_address) return;
  worker_.sourced_addresses().release(std::exchange(extras_->sourced_address, nullptr));
}

void Session::connected(Op& op) {
  if (!op.succeeded()) return connect_failed(op.status);
  if (is_connected_to_ourselves()) {
    return loop().close(server_receive_, std::exchange(server_, Socket::none), CloseMode::reset);
  }
  connect_time_ = loop().now() - connect_started_;
  if (announcement_) return announce(op.count);
  start_relay(op.count);
}

void Session::connect_failed(Status status) {
  if (status == Status::cancelled) status = Status::timed_out;  // by our own timer
  if (is_peers_fault(status)) {
    snapshot_->choice().connect_failed(backend_, server_index_, status, loop().now());
  } else if (status == Status::no_local_port) {
    worker_.report_no_local_port(snapshot_->servers().servers(backend_)[server_index_]);
  }
  try_another(status);
}

void Session::try_another(Status status) {
  const bool timed_out = status == Status::timed_out;
  connect_outcome_ = !is_peers_fault(status) ? Outcome::unavailable
                     : timed_out             ? Outcome::connect_timeout
                                             : Outcome::refused;
  if (!is_shortage(status)) {
    extras().tried.push_back(server_index_);
    if (attempts_left_ > 0) {
      if (server_ == Socket::none) return connect_next();
      return loop().close(server_receive_, std::exchange(server_, Socket::none), CloseMode::reset);
    }
  }
  server_close_mode_ = CloseMode::reset;  // one that has not taken its whole header
  if (server_ == Socket::none) server_place_.release();
  refuse(connect_outcome_);
}

// --- The queue ---

/// There are servers that are well, and all of them have as many connections as they may.
void Session::wait_for_room(ServerQueue::Place place) {
  const auto waited = loop().now() - connect_started_;
  const auto left = snapshot_->config().backends[backend_].connect_timeout - waited;
  if (left <= left.zero()) return refuse(connect_outcome_);
  state_ = State::waiting;
  loop().arm(timer_, std::chrono::ceil<std::chrono::milliseconds>(left));
  waiter_ = worker_.waiters().make();
  waiter_->loop = &loop();
  waiter_->context = this;
  waiter_->called = [](void* session) { static_cast<Session*>(session)->room_called(); };
  ServerQueue& queue = *snapshot_->servers().backend(backend_).queue;
  queue.push(*waiter_, place);
  if (snapshot_->choice().has_room(backend_)) queue.call_next();
}

/// Somebody has left; or has come back: then there may be room for more than one.
void Session::room_called() {
  worker_.waiters().release(std::exchange(waiter_, nullptr));
  ServerQueue& queue = *snapshot_->servers().backend(backend_).queue;
  if (state_ != State::waiting) {
    queue.call_next();  // the room is another one's
    return close_when_quiet();
  }
  connect_next(ServerQueue::Place::first);
  if (state_ != State::waiting && snapshot_->choice().has_room(backend_)) queue.call_next();
}

bool Session::leave_queue() {
  if (!waiter_) return false;
  if (!snapshot_->servers().backend(backend_).queue->remove(*waiter_)) return false;
  worker_.waiters().release(std::exchange(waiter_, nullptr));
  return true;
}

}  // namespace portshare
