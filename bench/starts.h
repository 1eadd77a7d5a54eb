// When the next connection or message of a thread may start, and how many may.
#pragma once

#include <cstdint>
#include <optional>

#include "bench/load.h"
#include "bench/pacer.h"
#include "bench/schedule.h"

namespace portshare {

/// In a closed loop always at once, in an open loop when the schedule says so; never more than this thread's
/// share of LoadSettings::count.
class Starts {
 public:
  /// `context` is borrowed.
  explicit Starts(LoadContext& context)
      : context_(context), count_(context.share_of(context.settings.count)) {}

  /// From here the schedule counts; it wakes the loop for each start.
  void begin(nanoseconds start);
  void end();

  /// If one may start: the time from which it counts. It is taken by that.
  [[nodiscard]] std::optional<nanoseconds> take(nanoseconds now);
  /// One is used up by something that went wrong before it could start.
  void forfeit() { ++taken_; }
  /// There is a count, and it is used up.
  [[nodiscard]] bool are_all_taken() const { return context_.settings.count != 0 && taken_ >= count_; }
  /// Open loop: those whose time came before `now` and that were not taken.
  [[nodiscard]] std::uint64_t overdue(nanoseconds now) const;

 private:
  [[nodiscard]] bool may_take() const { return is_running_ && !are_all_taken(); }

  LoadContext& context_;
  std::uint64_t count_;
  std::uint64_t taken_ = 0;
  std::optional<Schedule> schedule_;  // of an open loop
  std::optional<Pacer> pacer_;
  bool is_running_ = false;
};

}  // namespace portshare
