// Notices workers that are stuck: that no longer come round their loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/timer_wheel.h"
#include "platform/loop.h"

namespace portshare {

/// Asks each worker for a sign of life, again and again. One that does not answer is named in the log, once,
/// and once more when it has come back. It costs a healthy worker one turn of its loop per second. Belongs to
/// the control thread; should that one be stuck itself, the service manager hears nothing any more.
class WorkerWatch {
 public:
  /// Has `answer` called on the control loop as soon as this worker comes round; false if it has ended, which
  /// is in order. A worker is asked again only when it has answered.
  using Ask = std::function<bool(std::size_t worker, std::function<void()> answer)>;

  struct Options {
    std::size_t workers = 0;
    std::chrono::milliseconds interval{1'000};  ///< between two questions
    /// Who needs longer is stuck. Far more than the longest turn of a busy loop, which is milliseconds.
    std::chrono::milliseconds patience{5'000};
    Ask ask;
    /// Called when a worker is found to be stuck.
    std::function<void(std::size_t worker)> found_stuck = [](std::size_t) {};
    /// Called after each interval in which no worker was stuck.
    std::function<void()> all_come_round = [] {};
  };

  /// Begins at once.
  WorkerWatch(Loop& control, Options options);
  WorkerWatch(const WorkerWatch&) = delete;
  WorkerWatch& operator=(const WorkerWatch&) = delete;
  ~WorkerWatch();

  [[nodiscard]] bool is_stuck(std::size_t worker) const { return workers_[worker].is_stuck; }
  /// How long it has been; none if it comes round.
  [[nodiscard]] std::optional<std::chrono::milliseconds> stuck_for(std::size_t worker) const;
  /// How many workers are.
  [[nodiscard]] std::size_t stuck_count() const;

 private:
  struct Watched {
    std::optional<std::chrono::microseconds> asked_at;  // the question that has no answer yet
    bool is_stuck = false;
  };

  void look();
  void ask(std::size_t worker);
  void answered(std::size_t worker);
  [[nodiscard]] std::chrono::milliseconds silence(const Watched& watched) const;

  Loop& control_;
  Options options_;
  std::vector<Watched> workers_;
  Timer timer_;
  std::shared_ptr<const bool> life_ = std::make_shared<const bool>(true);  // answers may come later
};

}  // namespace portshare
