#include "platform/loop.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <utility>

namespace portshare {

using std::chrono::ceil;
using std::chrono::floor;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// The wheel counts whole milliseconds of the loop's clock.
std::uint64_t whole_ms(microseconds time) {
  return static_cast<std::uint64_t>(floor<milliseconds>(time).count());
}
std::uint64_t whole_ms_up(microseconds time) {
  return static_cast<std::uint64_t>(ceil<milliseconds>(time).count());
}

}  // namespace

Loop::Loop(std::unique_ptr<Backend> backend, std::size_t buffer_limit)
    : buffers_(buffer_limit),
      backend_(std::move(backend)),
      timers_(whole_ms(backend_->now())),
      now_(backend_->now()) {
  backend_->set_buffers(buffers_);
}

Loop::~Loop() {
  assert(pending_ == 0);
}

void Loop::cancel(Op& op) {
  if (op.cancel_requested || op.kind == Op::Kind::close) return;
  switch (op.state) {
    case Op::State::idle:
    case Op::State::finished:
      return;
    case Op::State::queued: {
      const bool removed = queued_.remove(op);
      assert(removed);
      op.cancel_requested = true;
      op.status = Status::cancelled;
      op.state = Op::State::finished;
      done_.push(op);
      return;
    }
    case Op::State::in_flight:
      op.cancel_requested = true;
      backend_->cancel(op);
      return;
  }
}

void Loop::arm(Timer& timer, milliseconds delay) {
  // Rounded up, so that a timer never fires before its time.
  timers_.arm(timer, whole_ms_up(now_ + delay));
}

std::optional<milliseconds> Loop::time_to_wait(std::optional<milliseconds> longest) const {
  if (!done_.empty() || stopping_) return milliseconds{0};
  const auto deadline_ms = timers_.next_deadline();
  if (!deadline_ms) return longest;
  const milliseconds deadline{static_cast<std::int64_t>(*deadline_ms)};
  const milliseconds until = std::max(ceil<milliseconds>(deadline - now_), milliseconds{0});
  return longest ? std::min(until, *longest) : until;
}

void Loop::run_once(std::optional<milliseconds> longest) {
  ++turns_;
  backend_->submit_and_wait(queued_, done_, time_to_wait(longest));
  now_ = backend_->now();
  run_callbacks();
  timers_.advance(whole_ms(now_));
  run_posted();
}

void Loop::run_callbacks() {
  // Only what has ended by now: an op that a callback cancels while it is queued waits for the next turn, so
  // that two callbacks which cancel each other's ops cannot keep the loop from its timers.
  OpQueue batch;
  batch.append(done_);
  while (Op* op = batch.pop()) {
    assert(op->state == Op::State::finished);
    op->state = Op::State::idle;
    --pending_;
    op->callback_(*op, op->context_);
  }
}

void Loop::run() {
  stopping_ = false;
  while (!stopping_) run_once();
}

void Loop::post(std::function<void()> task) {
  const std::lock_guard lock(posted_mutex_);
  posted_.push_back(std::move(task));
  has_posted_.store(true, std::memory_order_release);
  // Within the lock, without which the task cannot run: it may be one that ends the loop.
  backend_->wake();
}

void Loop::run_posted() {
  if (!has_posted_.load(std::memory_order_acquire)) return;
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(posted_mutex_);
    tasks.swap(posted_);
    has_posted_.store(false, std::memory_order_relaxed);
  }
  for (const auto& task : tasks) task();
}

}  // namespace portshare
