#include "dispatch/worker_watch.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace portshare {
namespace {

double seconds(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

WorkerWatch::WorkerWatch(Loop& control, Options options)
    : control_(control),
      options_(std::move(options)),
      workers_(options_.workers),
      timer_([](void* self) { static_cast<WorkerWatch*>(self)->look(); }, this) {
  // Not asked at once: the loop's time stands still until its next turn, maybe since long before the start.
  control_.arm(timer_, options_.interval);
}

WorkerWatch::~WorkerWatch() {
  control_.cancel(timer_);
}

void WorkerWatch::ask(std::size_t worker) {
  const bool is_running = options_.ask(worker, [this, worker, life = std::weak_ptr(life_)] {
    if (!life.expired()) answered(worker);
  });
  if (is_running) workers_[worker].asked_at = control_.now();
}

void WorkerWatch::answered(std::size_t worker) {
  Watched& watched = workers_[worker];
  if (std::exchange(watched.is_stuck, false)) {
    spdlog::warn("worker {} comes round again, after {:.1f} s", worker, seconds(silence(watched)));
  }
  watched.asked_at.reset();
}

void WorkerWatch::look() {
  for (std::size_t worker = 0; worker < workers_.size(); ++worker) {
    Watched& watched = workers_[worker];
    if (!watched.asked_at) {
      ask(worker);
      continue;
    }
    if (watched.is_stuck || silence(watched) < options_.patience) continue;
    watched.is_stuck = true;
    spdlog::error(
        "worker {} has not come round for {:.1f} s: its connections stand still, and it takes no new ones; "
        "what "
        "it "
        "hangs in stands in /proc/PID/task/*/stack, and a restart ends it",
        worker, seconds(silence(watched)));
    options_.found_stuck(worker);
  }
  if (stuck_count() == 0) options_.all_come_round();
  control_.arm(timer_, options_.interval);
}

std::chrono::milliseconds WorkerWatch::silence(const Watched& watched) const {
  return std::chrono::floor<std::chrono::milliseconds>(control_.now() - *watched.asked_at);
}

std::optional<std::chrono::milliseconds> WorkerWatch::stuck_for(std::size_t worker) const {
  if (!workers_[worker].is_stuck) return std::nullopt;
  return silence(workers_[worker]);
}

std::size_t WorkerWatch::stuck_count() const {
  return static_cast<std::size_t>(std::ranges::count(workers_, true, &Watched::is_stuck));
}

}  // namespace portshare
