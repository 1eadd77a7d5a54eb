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
  tried_.clear();
  connect_outcome_ = Outcome::unavailable;
  connect_started_ = loop().now();
  server_place_.release();
  // Nobody overtakes those that wait.
  const BackendServers& servers = snapshot_->servers().backend(backend_);
  if (servers.max_connections != 0 && servers.queue->size() != 0) {
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
                               .tried = tried_,
                               .now = loop().now()},
                              server_place_);
  if (server_index_ < ServerChoice::all_full) return connect_to_server();
  const bool may_wait = server_index_ == ServerChoice::all_full;
  server_index_ = tried_.empty() ? AccessRecord::none : tried_.back();
  if (may_wait) return wait_for_room(place_if_full);
  refuse(connect_outcome_);
}

void Session::connect_to_server() {
  --attempts_left_;
  if (!tried_.empty()) ++worker_.metrics().counters.backends[metric_backend_].retries;
  const Server& server = snapshot_->servers().servers(backend_)[server_index_];
  if (server.leads_back_if_local && worker_.is_known_loop(server)) return connect_failed(Status::refused);
  loop().arm(timer_, snapshot_->config().backends[backend_].connect_timeout);
  const bool has_bytes = announcement_ || !first_bytes_.empty() || !upstream_.pending().empty();
  loop().connect(server_send_, server.address, has_bytes ? Loop::Then::sends_at_once : Loop::Then::waits);
}

void Session::connected(Op& op) {
  if (!op.succeeded()) return connect_failed(op.status);
  if (is_connected_to_ourselves()) {
    return loop().close(server_receive_, std::exchange(server_, Socket::none), CloseMode::reset);
  }
  connect_time_ = loop().now() - connect_started_;
  if (announcement_) return announce();
  start_relay();
}

void Session::connect_failed(Status status) {
  // Cancelled by our own timer, or given up by the system: either way nobody answered.
  const bool timed_out = status == Status::cancelled || status == Status::timed_out;
  connect_outcome_ = is_shortage(status) ? Outcome::unavailable
                     : timed_out         ? Outcome::connect_timeout
                                         : Outcome::refused;
  if (!is_shortage(status)) {
    tried_.push_back(server_index_);
    snapshot_->choice().connect_failed(backend_, server_index_, timed_out ? Status::timed_out : status,
                                       loop().now());
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
