// Timers among 10,000 that are armed: as many as there are connections with a deadline each.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "core/random.h"
#include "core/timer_wheel.h"

namespace portshare::bench {
namespace {

constexpr std::size_t timer_count = 10'000;
constexpr std::uint64_t longest_ms = 600'000;  // the idle timeout of a listener

/// A wheel on which every timer is armed, and random numbers ahead of time.
class Wheel {
 public:
  Wheel() {
    for (std::size_t i = 0; i < timer_count; ++i) {
      timers_.emplace_back(&Wheel::count_fired, this);
      wheel_.arm(timers_.back(), 1 + random_.below(longest_ms));
    }
    for (std::size_t i = 0; i < std::size_t{1} << 16; ++i) {
      picks_.push_back({random_.below(timer_count), 1 + random_.below(longest_ms)});
    }
  }
  ~Wheel() {
    for (Timer& timer : timers_) wheel_.cancel(timer);
  }
  Wheel(const Wheel&) = delete;
  Wheel& operator=(const Wheel&) = delete;

  [[nodiscard]] TimerWheel& wheel() { return wheel_; }
  [[nodiscard]] std::size_t fired() const { return fired_; }

  struct Turn {
    Timer& timer;
    std::uint64_t deadline_ms;
  };
  Turn next() {
    const Pick& pick = picks_[position_++ % picks_.size()];
    return {timers_[pick.timer], wheel_.now_ms() + pick.delay_ms};
  }

 private:
  struct Pick {
    std::size_t timer;
    std::uint64_t delay_ms;
  };
  static void count_fired(void* context) { ++static_cast<Wheel*>(context)->fired_; }

  Random random_{3};
  TimerWheel wheel_{0};
  std::deque<Timer> timers_;
  std::vector<Pick> picks_;
  std::size_t position_ = 0;
  std::size_t fired_ = 0;
};

/// A further one, as for the first flight of a connection, which rarely fires.
void timer_arm_and_cancel(benchmark::State& state) {
  Wheel timers;
  Timer timer([](void*) {}, nullptr);
  for ([[maybe_unused]] auto _ : state) {
    timers.wheel().arm(timer, timers.next().deadline_ms);
    timers.wheel().cancel(timer);
  }
  if (timers.wheel().armed_count() != timer_count) state.SkipWithError("a wrong number of timers is armed");
}
BENCHMARK(timer_arm_and_cancel);

/// As the idle timeout of a connection on which something happened.
void timer_rearm(benchmark::State& state) {
  Wheel timers;
  for ([[maybe_unused]] auto _ : state) {
    const auto [timer, deadline_ms] = timers.next();
    timers.wheel().arm(timer, deadline_ms);
  }
  if (timers.wheel().armed_count() != timer_count) state.SkipWithError("a wrong number of timers is armed");
}
BENCHMARK(timer_rearm);

/// The same with the clock moving a millisecond on at a time; timers that fire are armed again when picked.
void timer_rearm_and_advance(benchmark::State& state) {
  Wheel timers;
  for ([[maybe_unused]] auto _ : state) {
    const auto [timer, deadline_ms] = timers.next();
    timers.wheel().arm(timer, deadline_ms);
    timers.wheel().advance(timers.wheel().now_ms() + 1);
  }
  benchmark::DoNotOptimize(timers.fired());
}
BENCHMARK(timer_rearm_and_advance);

}  // namespace
}  // namespace portshare::bench
