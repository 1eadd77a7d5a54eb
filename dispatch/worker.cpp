#include "dispatch/worker.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <utility>

namespace portshare {

namespace {

// How long to wait before accepting is tried again when the descriptors were taken by somebody else, so that
// none of our sessions' ends tells us.
constexpr std::chrono::milliseconds retry_accept_after{100};

constexpr std::chrono::seconds report_interval{10};  // of what every connection may meet

// How long a socket that a reload takes away is still served: for handshakes that had begun, whose end takes
// one way to the client and back.
constexpr std::chrono::milliseconds handshake_time{100};

/// How many accepts each socket keeps in flight. Where there is room for few sessions, few, because the
/// connections that they take while accepting pauses must find room, too.
std::size_t accepts_per_socket(std::size_t max_sessions, std::size_t sockets) {
  return std::clamp<std::size_t>(max_sessions / (4 * std::max<std::size_t>(sockets, 1)), 1,
                                 Acceptor::most_accepts);
}

bool is_quiet(const std::unique_ptr<Acceptor>& acceptor) {
  return acceptor->is_quiet();
}

}  // namespace

Worker::Worker(Loop& loop, std::shared_ptr<const Snapshot> snapshot, WorkerOptions options)
    : loop_(loop),
      options_(std::move(options)),
      balance_(options_.accept_counts, options_.index),
      rest_timer_([](void* worker) { static_cast<Worker*>(worker)->rest_over(); }, this),
      resume_timer_([](void* worker) { static_cast<Worker*>(worker)->resume_accepting(); }, this),
      leaving_timer_([](void* worker) { static_cast<Worker*>(worker)->stop_leaving(); }, this) {
  adopt(std::move(snapshot), [] {});
}

Worker::~Worker() {
  assert(session_count() == 0);
  acceptors_.clear();
  loop_.cancel(resume_timer_);
  loop_.cancel(rest_timer_);
  loop_.cancel(leaving_timer_);
}

void Worker::start() {
  is_started_ = true;
  start_acceptors();
}

void Worker::adopt(std::shared_ptr<const Snapshot> snapshot, std::function<void()> adopted) {
  snapshots_.push_back(
      std::make_unique<WorkerSnapshot>(std::move(snapshot), options_.index, options_.access_log != nullptr));
  WorkerSnapshot& newest = *snapshots_.back();
  metrics_.counters.make_room(newest.metric_ids());
  const std::size_t accepts = accepts_per_socket(options_.max_sessions, newest.sockets().size());
  std::vector<std::unique_ptr<Acceptor>> before = std::exchange(acceptors_, {});
  for (const ListeningSocket& socket : newest.sockets()) {
    const auto known = std::ranges::find_if(
        before, [&](const auto& acceptor) { return acceptor && acceptor->socket() == socket.socket; });
    if (known == before.end()) {
      acceptors_.push_back(
          std::make_unique<Acceptor>(*this, newest, socket.listener, socket.socket, accepts));
    } else {
      (*known)->move_to(newest, socket.listener);
      acceptors_.push_back(std::move(*known));
    }
  }
  for (auto& acceptor : before) {
    if (acceptor) leaving_acceptors_.push_back(std::move(acceptor));
  }
  if (!leaving_acceptors_.empty()) {
    if (is_started_ && !paused_ && !draining_) {
      loop_.arm(leaving_timer_, handshake_time);
    } else {
      stop_leaving();
    }
  }
  set_pause();
  if (is_started_ && !paused_ && !draining_ && may_accept()) start_acceptors();
  adopted_.push_back(std::move(adopted));
  check_adopted();
}

void Worker::stop_leaving() {
  for (const auto& acceptor : leaving_acceptors_) acceptor->stop();
  check_adopted();
}

void Worker::check_adopted() {
  if (!std::ranges::all_of(leaving_acceptors_, &is_quiet)) return;
  leaving_acceptors_.clear();
  for (const auto& adopted : std::exchange(adopted_, {})) adopted();
}

void Worker::set_pause() {
  std::size_t may_still_come = 0;
  for (const auto* some : {&acceptors_, &leaving_acceptors_}) {
    for (const auto& acceptor : *some) may_still_come += acceptor->accepts();
  }
  pause_at_ = options_.max_sessions - std::min(may_still_come, options_.max_sessions - 1);
}

void Worker::unpin(WorkerSnapshot& snapshot) {
  snapshot.unpin();
  if (snapshot.is_used() || &snapshot == snapshots_.back().get()) return;
  std::erase_if(snapshots_, [&](const auto& one) { return one.get() == &snapshot; });
}

void Worker::start_acceptors() {
  for (const auto& acceptor : acceptors_) acceptor->start();
}

bool Worker::may_accept() {
  if (balance_.may_accept(loop_.now())) return true;
  if (!rest_timer_.is_armed()) loop_.arm(rest_timer_, AcceptBalance::rest);
  return false;
}

void Worker::rest_over() {
  if (!paused_ && !draining_ && may_accept()) start_acceptors();
}

void Worker::accepted(WorkerSnapshot& snapshot, std::uint32_t listener, Socket client) {
  balance_.accepted();
  Session& session = add_session(snapshot, listener, client);
  if (session_count() >= pause_at_ && !paused_) {
    spdlog::warn(
        "worker {}: accepting is paused: {} connections use up the file descriptors; raise LimitNOFILE",
        options_.index, session_count());
    pause_accepting();
  }
  session.start();
  if (terminating_) session.terminate(Outcome::shutdown, CloseMode::reset);
}

Session& Worker::add_session(WorkerSnapshot& snapshot, std::uint32_t listener, Socket client) {
  ++metrics_.counters.accepted[snapshot.metric_ids().listeners[listener]];
  Session* session = sessions_.make(*this, snapshot, listener, client);
  session->number = ++last_number_;
  session->next = first_session_;
  if (first_session_) first_session_->previous = session;
  first_session_ = session;
  return *session;
}

void Worker::renew_accepts() {
  for (const auto& acceptor : acceptors_) acceptor->renew();
}

bool Worker::take_over(MovedSession& moved, const std::function<bool()>& commit) {
  const auto listener = snapshot().listener_named(moved.listener);
  if (!listener || draining_ || !commit()) return false;
  add_session(snapshot(), *listener, moved.client).arrive(std::move(moved));
  return true;
}

void Worker::finished(Session& session) {
  if (session.next) session.next->previous = session.previous;
  (session.previous ? session.previous->next : first_session_) = session.next;
  WorkerSnapshot& snapshot = session.snapshot();
  keep_text(session.take_text());
  sessions_.release(&session);
  unpin(snapshot);
  // A little room first, so that a full house does not pause and resume with every connection that ends.
  const std::size_t room = std::clamp<std::size_t>(pause_at_ / 16, 1, 64);
  // After a shortage the timer decides: our descriptor may be taken by others before we accept again.
  if (paused_ && !resume_timer_.is_armed() && session_count() + room <= pause_at_) resume_accepting();
  check_drained();
}

void Worker::accept_failed(const ListenerConfig& listener, Status status, std::int32_t system_error) {
  if (draining_) return;
  if (!paused_) {
    if (status == Status::no_descriptors) {
      spdlog::warn(
          "worker {}: accepting is paused: out of file descriptors at {} connections; raise LimitNOFILE",
          options_.index, session_count());
    } else {
      spdlog::error("worker {}: accepting is paused: listener '{}': {} (system error {})", options_.index,
                    listener.name, to_string(status), system_error);
    }
    pause_accepting();
  }
  // Whatever is wrong may last, so try again, but not at once.
  loop_.arm(resume_timer_, retry_accept_after);
}

void Worker::pause_accepting() {
  paused_ = true;
  ++metrics_.counters.accept_pauses;
  for (const auto* some : {&acceptors_, &leaving_acceptors_}) {
    for (const auto& acceptor : *some) acceptor->stop();
  }
}

void Worker::resume_accepting() {
  if (!paused_ || draining_ || session_count() >= pause_at_) return;
  paused_ = false;
  loop_.cancel(resume_timer_);
  spdlog::info("worker {}: accepting is resumed at {} connections", options_.index, session_count());
  start_acceptors();
}

void Worker::drain(std::function<void()> stopped_accepting, std::function<void()> drained) {
  assert(!draining_);
  draining_ = true;
  stopped_accepting_ = std::move(stopped_accepting);
  drained_ = std::move(drained);
  loop_.cancel(resume_timer_);
  loop_.cancel(rest_timer_);
  loop_.cancel(leaving_timer_);
  for (const auto& acceptor : leaving_acceptors_) acceptor->stop();
  for (const auto& acceptor : acceptors_) acceptor->stop();
  for (Session* session = first_session_; session;) {
    Session& one = *std::exchange(session, session->next);
    if (mover_ && !one.is_http2()) {
      one.move_if_movable();
    } else {
      one.drain();
    }
  }
  check_drained();
}

void Worker::hand_over(SessionMover mover, std::function<void()> stopped_accepting,
                       std::function<void()> drained) {
  mover_ = std::move(mover);
  drain(std::move(stopped_accepting), std::move(drained));
}

void Worker::hasten() {
  hastening_ = true;
  for (Session* session = first_session_; session;) {
    std::exchange(session, session->next)->move_if_movable();
  }
}

void Worker::acceptor_quiet() {
  check_adopted();
  check_drained();
}

void Worker::terminate_all() {
  terminating_ = draining_;
  for (Session* session = first_session_; session;) {
    Session* next = session->next;  // ending takes at least one more turn, but does not depend on it
    session->terminate(Outcome::shutdown, CloseMode::reset);
    session = next;
  }
}

void Worker::check_drained() {
  if (!draining_) return;
  if (!leaving_acceptors_.empty() || !std::ranges::all_of(acceptors_, &is_quiet)) return;
  if (stopped_accepting_) std::exchange(stopped_accepting_, nullptr)();
  if (drained_ && session_count() == 0) std::exchange(drained_, nullptr)();
}

void Worker::report_loop(const BackendConfig& backend, const Server& server) {
  loop_server_ = server.address;
  loop_known_until_ = loop_.now() + report_interval;
  if (loop_.now() < next_loop_report_) return;
  next_loop_report_ = loop_.now() + report_interval;
  spdlog::error(
      "worker {}: backend '{}': server {} leads back to portshare: the address is this host's now; "
      "connections "
      "to it count as refused",
      options_.index, backend.name, server.text);
}

void Worker::report_no_local_port(const Server& server) {
  if (loop_.now() < next_port_report_) return;
  next_port_report_ = loop_.now() + report_interval;
  spdlog::error(
      "worker {}: this host has no local port left for connections to {}: widen "
      "net.ipv4.ip_local_port_range, or give the server another address as well",
      options_.index, server.text);
}

void Worker::log(const AccessRecord& record, std::string_view name, std::string_view alpn) {
  if (options_.access_log->push(record, name, alpn) && options_.notify_log) options_.notify_log();
}

}  // namespace portshare
