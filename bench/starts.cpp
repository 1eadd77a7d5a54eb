#include "bench/starts.h"

namespace portshare {

void Starts::begin(nanoseconds start) {
  is_running_ = true;
  const LoadSettings& settings = context_.settings;
  if (!settings.is_open_loop()) return;
  schedule_.emplace(settings.rate, settings.arrivals, context_.thread, settings.threads, settings.seed,
                    start);
  pacer_.emplace(*schedule_, context_.loop.backend());
}

void Starts::end() {
  is_running_ = false;
  pacer_.reset();
}

std::optional<nanoseconds> Starts::take(nanoseconds now) {
  if (!may_take()) return std::nullopt;
  nanoseconds start = now;
  if (schedule_) {
    start = schedule_->next();
    if (start > now) return std::nullopt;
    context_.statistics.start_delay.record(as_count(now - start));
    schedule_->advance();
  }
  ++taken_;
  return start;
}

std::uint64_t Starts::overdue(nanoseconds now) const {
  if (!schedule_ || !may_take()) return 0;
  std::uint64_t count = 0;
  for (Schedule schedule = *schedule_; schedule.next() <= now; schedule.advance()) ++count;
  return count;
}

}  // namespace portshare
