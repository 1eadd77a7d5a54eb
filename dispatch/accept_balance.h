// Keeps the workers' shares of the connections alike while they take them off one listening socket.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace portshare {

/// How many connections each worker has accepted, of which only differences mean anything; shared by all of
/// them, without a lock. A worker writes only its own count.
class AcceptCounts {
 public:
  explicit AcceptCounts(std::size_t workers) : counts_(workers) {}

  [[nodiscard]] std::size_t size() const { return counts_.size(); }
  [[nodiscard]] std::uint32_t of(std::size_t worker) const {
    return counts_[worker].value.load(std::memory_order_relaxed);
  }
  void add(std::size_t worker) {
    auto& value = counts_[worker].value;
    value.store(value.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

 private:
  struct alignas(64) Count {  // a cache line each
    // Wraps around soon, so that it never does so for the first time.
    std::atomic<std::uint32_t> value = UINT32_MAX - 100;
  };
  std::vector<Count> counts_;
};

/// One worker's view. Whoever asks first gets a waiting connection, and a worker whose CPU has more time to
/// spare asks more often: left alone, one of two has been seen to take two thirds of them. So a worker that
/// is ahead of the others in the present window lets them have the next ones. A worker that took nothing in
/// the last window does not count: it may be idle, paused or stuck, and nobody waits for it. docs/adr/0007
/// has the figures. Belongs to its worker's thread.
class AcceptBalance {
 public:
  static constexpr std::chrono::microseconds window{50'000};
  /// After how long a worker that was ahead looks again.
  static constexpr std::chrono::milliseconds rest{1};

  /// `counts` must outlive this object, and is null where there is nobody to share with.
  AcceptBalance(AcceptCounts* counts, std::size_t worker);

  void accepted() {
    if (counts_) counts_->add(worker_);
  }
  /// False: the worker is ahead.
  [[nodiscard]] bool may_accept(std::chrono::microseconds now) {
    return !counts_ || (now - window_start_ < window ? is_fair() : begin_window(now));
  }

 private:
  // So many more than the others' average are no lead: connections come in bursts.
  static constexpr std::uint32_t tolerance = 16;

  struct Other {
    std::size_t worker;
    std::uint32_t at_start;  // of the window
    bool takes_part;
  };

  bool begin_window(std::chrono::microseconds now);
  [[nodiscard]] bool is_fair() const;

  AcceptCounts* counts_;
  std::size_t worker_;
  std::uint32_t own_at_start_ = 0;
  std::vector<Other> others_;
  std::chrono::microseconds window_start_{0};
};

}  // namespace portshare
