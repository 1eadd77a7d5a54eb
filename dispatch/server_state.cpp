#include "dispatch/server_state.h"

#include <fmt/format.h>

#include <algorithm>

namespace portshare {

using std::chrono::microseconds;

void CheckBell::connect(std::function<void()> ring) {
  const std::lock_guard lock(mutex_);
  ring_ = std::move(ring);
}

void CheckBell::ring() {
  const std::lock_guard lock(mutex_);
  if (ring_) ring_();
}

ServerState::ServerState(std::string backend, std::string address, std::size_t workers,
                         std::shared_ptr<ServerQueue> queue, std::shared_ptr<CheckBell> bell)
    : backend_(std::move(backend)),
      address_(std::move(address)),
      queue_(std::move(queue)),
      bell_(std::move(bell)),
      workers_(workers) {}

// --- For workers ---

/// False: there are as many as there may be, or more.
bool ServerState::count_in(std::uint32_t most) {
  if (most == 0) {
    ++counted_;
    return true;
  }
  std::uint32_t present = counted_.load();
  do {
    if (present >= most) return false;
  } while (!counted_.compare_exchange_weak(present, present + 1));
  return true;
}

void ServerState::count_out() {
  --counted_;
  queue_->call_next();
}

bool ServerState::connect_failed(std::size_t worker, Status status, microseconds now,
                                 const ConnectRules& rules) {
  count(workers_[worker].failures);
  last_failure_ = status;
  const std::uint32_t failures = ++failures_;
  if (rules.is_checked) {
    if (!wants_check_.exchange(true)) bell_->ring();
    return failures >= rules.fall && set(down, now);
  }
  if (failures < rules.fall || (obstacles_.load() & resting) != 0) return false;
  rest_until_ = now + rules.first_rest;  // before anybody can see that it rests
  next_rest_ = 2 * rules.first_rest;
  return set(resting, now);
}

bool ServerState::may_be_tried_again(microseconds now) {
  microseconds until = rest_until_.load(std::memory_order_relaxed);
  if (now < until) return false;
  const microseconds rest = next_rest_;
  if (!rest_until_.compare_exchange_strong(until, now + rest)) return false;
  next_rest_ = std::min<microseconds>(2 * rest, ConnectRules::longest_rest);
  return true;
}

bool ServerState::recover() {
  if (is_checked_) return false;
  failures_ = 0;
  return (obstacles_.fetch_and(static_cast<std::uint8_t>(~resting)) & resting) != 0;
}

bool ServerState::set(std::uint8_t obstacle, microseconds now) {
  if ((obstacles_.fetch_or(obstacle) & obstacle) != 0) return false;
  changed_at_ = now;
  return true;
}

bool ServerState::clear(std::uint8_t obstacle, microseconds now) {
  if ((obstacles_.fetch_and(static_cast<std::uint8_t>(~obstacle)) & obstacle) == 0) return false;
  changed_at_ = now;
  queue_->call_next();
  return true;
}

// --- For the control thread ---

void ServerState::set_mode(Mode mode, microseconds now) {
  // Set before clear, so that it is not open in between.
  if (mode == Mode::draining) set(drained_by_operator, now);
  if (mode == Mode::disabled) set(disabled_by_operator, now);
  if (mode != Mode::draining) clear(drained_by_operator, now);
  if (mode != Mode::disabled) clear(disabled_by_operator, now);
}

ServerState::Mode ServerState::mode() const {
  const std::uint8_t obstacles = obstacles_;
  if ((obstacles & disabled_by_operator) != 0) return Mode::disabled;
  return (obstacles & drained_by_operator) != 0 ? Mode::draining : Mode::enabled;
}

ServerState::Change ServerState::checked(const CheckResult& result, std::uint32_t rise, std::uint32_t fall,
                                         microseconds now) {
  const std::lock_guard lock(check_mutex_);
  const bool is_first = checks_++ == 0;
  checked_at_ = now;
  check_duration_ = result.duration;
  if (result.succeeded) {
    failures_ = 0;
    if ((obstacles_.load() & down) == 0 || ++successes_ < rise) return Change::none;
    reason_.clear();
    return clear(down, now) ? Change::came_up : Change::none;
  }
  ++failed_checks_;
  successes_ = 0;
  const std::uint32_t failures = ++failures_;
  reason_ = fmt::format("{} ({} check{} failed)", result.reason, failures, failures == 1 ? "" : "s");
  // Of a server about which nothing is known the first check is believed.
  return (is_first || failures >= fall) && set(down, now) ? Change::went_down : Change::none;
}

void ServerState::set_checked(bool is_checked, microseconds now) {
  const std::lock_guard lock(check_mutex_);
  if (is_checked_.exchange(is_checked) == is_checked) return;
  failures_ = 0;
  successes_ = 0;
  checks_ = failed_checks_ = 0;
  reason_.clear();
  clear(is_checked ? resting : down, now);
}

ServerState::Report ServerState::report() const {
  Report report;
  const std::uint8_t obstacles = obstacles_;
  report.is_resting = (obstacles & resting) != 0;
  report.is_down = (obstacles & down) != 0;
  report.is_checked = is_checked_;
  report.changed_at = changed_at_;
  for (const WorkerCounts& worker : workers_) {
    report.active_connections += worker.active.load(std::memory_order_acquire);
    report.total_connections += worker.connections.load(std::memory_order_relaxed);
    report.failed_connects += worker.failures.load(std::memory_order_relaxed);
  }
  const std::lock_guard lock(check_mutex_);
  report.reason = reason_;
  report.checked_at = checked_at_;
  report.check_duration = check_duration_;
  report.checks = checks_;
  report.failed_checks = failed_checks_;
  if (report.reason.empty() && (report.is_resting || report.is_down)) {
    report.reason =
        fmt::format("connect: {} ({} connects in a row)", to_string(last_failure_.load()), failures_.load());
  }
  return report;
}

// --- The registry ---

ServerRegistry::ServerRegistry(std::size_t workers) : workers_(workers) {}

std::shared_ptr<ServerQueue> ServerRegistry::queue_of(std::string_view backend) {
  auto found = queues_.find(backend);
  if (found == queues_.end()) found = queues_.emplace(backend, std::make_shared<ServerQueue>()).first;
  return found->second;
}

std::shared_ptr<ServerState> ServerRegistry::state_of(std::string_view backend, std::string_view address) {
  std::shared_ptr<ServerState>& state = states_[{std::string(backend), std::string(address)}];
  if (!state) {
    state = std::make_shared<ServerState>(std::string(backend), std::string(address), workers_,
                                          queue_of(backend), bell_);
  }
  return state;
}

std::shared_ptr<ServerState> ServerRegistry::find(std::string_view backend, std::string_view address) const {
  const auto found = states_.find({std::string(backend), std::string(address)});
  return found == states_.end() ? nullptr : found->second;
}

void ServerRegistry::forget_unused() {
  std::erase_if(states_, [](const auto& entry) {
    const std::shared_ptr<ServerState>& state = entry.second;
    return state.use_count() == 1 && state->mode() == ServerState::Mode::enabled &&
           state->report().active_connections == 0;
  });
  std::erase_if(queues_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

}  // namespace portshare
