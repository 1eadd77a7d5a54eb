// Wakes a loop at each arrival of its schedule.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "bench/schedule.h"
#include "platform/backend.h"

namespace portshare {

/// The timers of a loop count milliseconds; at a thousand arrivals per second that would be the distance of
/// two. So a thread waits for each arrival and wakes the loop, which then looks at its own copy of the
/// schedule.
class Pacer {
 public:
  /// `backend` outlives the pacer.
  Pacer(const Schedule& schedule, Backend& backend);
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;
  ~Pacer();

 private:
  void run();

  Schedule schedule_;
  Backend& backend_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace portshare
