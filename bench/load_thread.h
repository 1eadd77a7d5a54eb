// A thread with a loop, and its share of a load.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "bench/load.h"
#include "bench/load_settings.h"
#include "bench/statistics.h"
#include "platform/loop.h"

namespace portshare {

/// Everything is for the thread that made it. Each change of the flags ends a wait_for_signal.
class LoadThread {
 public:
  /// All are borrowed.
  LoadThread(const LoadSettings& settings, const FirstBytes& first_bytes, unsigned index);
  LoadThread(const LoadThread&) = delete;
  LoadThread& operator=(const LoadThread&) = delete;
  /// stop() has been called, unless the thread has failed.
  ~LoadThread();

  /// Its loop runs: from then on there is something to stop.
  [[nodiscard]] bool is_started() const { return started_; }
  [[nodiscard]] bool is_ready() const { return ready_; }
  [[nodiscard]] bool is_complete() const { return complete_; }
  /// The thread could not start; error() says why.
  [[nodiscard]] bool has_failed() const { return failed_; }

  /// See Load. All of them once the thread is started: is_started().
  void go(nanoseconds start);
  void end_warm_up();
  void stop();

  /// How far it is, while it runs.
  [[nodiscard]] std::uint64_t completed() const { return live_completed_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t errors() const { return live_errors_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t bytes() const { return live_bytes_.load(std::memory_order_relaxed); }

  /// Waits for the end of the thread. Then the rest may be asked for.
  void join() { thread_.join(); }
  [[nodiscard]] const Statistics& statistics() const { return statistics_; }
  [[nodiscard]] std::uint64_t overdue() const { return overdue_; }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  void run();
  void publish(const Statistics& statistics);

  const LoadSettings& settings_;
  const FirstBytes& first_bytes_;
  unsigned index_;
  Loop* loop_ = nullptr;  // set before started_, and valid until the thread has done stop()
  Load* load_ = nullptr;
  bool running_ = false;  // between go() and stop(); these two are the thread's own
  bool stopping_ = false;
  Statistics statistics_;
  std::uint64_t overdue_ = 0;
  std::string error_;
  std::atomic<bool> started_ = false;
  std::atomic<bool> ready_ = false;
  std::atomic<bool> complete_ = false;
  std::atomic<bool> failed_ = false;
  std::atomic<bool> posted_stop_ = false;
  std::atomic<std::uint64_t> live_completed_ = 0;
  std::atomic<std::uint64_t> live_errors_ = 0;
  std::atomic<std::uint64_t> live_bytes_ = 0;
  std::thread thread_;
};

}  // namespace portshare
