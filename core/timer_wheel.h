// Timers by the million at constant cost: a hierarchical timing wheel (Varghese and Lauck, 1987).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace portshare {

namespace timer_wheel_detail {
/// A circular list that runs through the timers themselves.
struct Link {
  Link* previous = nullptr;
  Link* next = nullptr;
};
}  // namespace timer_wheel_detail

/// A timer belongs to whoever embeds it, stays where it is, and must not be armed when it is destroyed.
class Timer : private timer_wheel_detail::Link {
 public:
  using Callback = void (*)(void* context);

  Timer(Callback callback, void* context) : callback_(callback), context_(context) {}
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  [[nodiscard]] bool is_armed() const { return next != nullptr; }
  /// Of the last arm().
  [[nodiscard]] std::uint64_t deadline_ms() const { return deadline_ms_; }

 private:
  friend class TimerWheel;
  std::uint64_t deadline_ms_ = 0;
  Callback callback_;
  void* context_;
};
static_assert(sizeof(Timer) <= 48);

/// Milliseconds of any monotonic clock, which the owner reads: the wheel has none. Not thread-safe. No
/// allocation. Deadlines may be any number of days away. All timers must be idle when the wheel is destroyed.
class TimerWheel {
 public:
  explicit TimerWheel(std::uint64_t now_ms);
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  /// O(1). An armed timer moves to the new deadline. A deadline that is not after now_ms() is due at the next
  /// advance(), so that a callback which arms for "at once" cannot keep advance() from returning.
  void arm(Timer& timer, std::uint64_t deadline_ms);
  /// O(1). The callback will not run, even if this is called by another callback of the same millisecond.
  /// Idle timers may be cancelled.
  void cancel(Timer& timer);

  /// Runs the callbacks of all timers whose deadline is at most `now_ms`, by deadline, and by the order of
  /// arming within a millisecond; never one before its deadline. A timer is idle when its callback runs.
  /// Callbacks may arm, cancel and destroy any timer, also their own; a timer that they arm for a deadline up
  /// to `now_ms` runs in this call. `now_ms` never goes back.
  void advance(std::uint64_t now_ms);

  /// When to call advance() again: nothing is due earlier, and often nothing then either, because a timer
  /// that is far away asks for a call or two on the way. None: no timer is armed.
  [[nodiscard]] std::optional<std::uint64_t> next_deadline() const;

  /// The time of the last advance(); within a callback, the millisecond whose timers are running.
  [[nodiscard]] std::uint64_t now_ms() const { return now_ms_; }
  [[nodiscard]] std::size_t armed_count() const { return armed_count_; }

 private:
  using Link = timer_wheel_detail::Link;
  static constexpr std::size_t slot_bits = 6;
  static constexpr std::size_t slot_count = std::size_t{1} << slot_bits;
  static constexpr std::size_t level_count = (64 + slot_bits - 1) / slot_bits;
  // Behind the slots of the levels: timers armed for the past or present, and those that are just being
  // fired.
  static constexpr std::size_t due_list = level_count * slot_count;
  static constexpr std::size_t firing_list = due_list + 1;

  struct Slot {
    std::size_t level;
    std::size_t index;
    std::uint64_t start_ms;
  };
  [[nodiscard]] std::optional<Slot> first_slot() const;
  [[nodiscard]] std::size_t list_for(std::uint64_t deadline_ms) const;
  void append(Timer& timer, std::size_t list);
  void unlink(Timer& timer);
  void move_to_firing(std::size_t list);
  void fire();

  std::uint64_t now_ms_;
  std::size_t armed_count_ = 0;
  bool advancing_ = false;
  std::array<std::uint64_t, level_count> occupied_{};  // a bit per slot that has timers
  std::array<Link, firing_list + 1> lists_;
};

}  // namespace portshare
