#include "bench/pacer.h"

#include "platform/process_usage.h"

namespace portshare {

Pacer::Pacer(const Schedule& schedule, Backend& backend)
    : schedule_(schedule), backend_(backend), thread_([this] { run(); }) {}

Pacer::~Pacer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_one();
  thread_.join();
}

void Pacer::run() {
  make_waits_precise();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::chrono::steady_clock::time_point next(schedule_.next());
    if (stopped_.wait_until(lock, next, [this] { return stopping_; })) return;
    backend_.wake();
    // One wake-up for all that are due.
    for (const nanoseconds now = clock_now(); schedule_.next() <= now;) schedule_.advance();
  }
}

}  // namespace portshare
