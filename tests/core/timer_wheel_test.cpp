#include "core/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/random.h"

namespace portshare {
namespace {

/// A timer that runs a function.
struct Alarm {
  explicit Alarm(std::function<void()> function) : action(std::move(function)) {}
  static void run(void* self) { static_cast<Alarm*>(self)->action(); }

  std::function<void()> action;
  Timer timer{run, this};
};

TEST(TimerWheel, fires_at_the_deadline_and_not_before) {
  constexpr std::uint64_t start = 1'000'003;
  constexpr std::uint64_t day = 86'400'000;
  for (const std::uint64_t delay : {std::uint64_t{1}, std::uint64_t{63}, std::uint64_t{64},
                                    std::uint64_t{4096}, std::uint64_t{600'000}, 30 * day, 36'500 * day}) {
    TimerWheel wheel(start);
    int fired = 0;
    Alarm alarm([&] { ++fired; });
    wheel.arm(alarm.timer, start + delay);
    EXPECT_TRUE(alarm.timer.is_armed());
    wheel.advance(start + delay - 1);
    EXPECT_EQ(fired, 0) << delay;
    wheel.advance(start + delay);
    EXPECT_EQ(fired, 1) << delay;
    EXPECT_FALSE(alarm.timer.is_armed());
    EXPECT_EQ(wheel.next_deadline(), std::nullopt);
    EXPECT_EQ(wheel.armed_count(), 0U);
  }
}

TEST(TimerWheel, the_latest_of_all_deadlines_is_one_too) {
  TimerWheel wheel(5);
  int fired = 0;
  Alarm alarm([&] { ++fired; });
  wheel.arm(alarm.timer, UINT64_MAX);
  wheel.advance(UINT64_MAX - 1);
  EXPECT_EQ(fired, 0);
  EXPECT_EQ(wheel.next_deadline(), UINT64_MAX);
  wheel.advance(UINT64_MAX);
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheel, a_passed_deadline_is_due_at_the_next_advance) {
  TimerWheel wheel(100);
  int fired = 0;
  Alarm alarm([&] { ++fired; });
  wheel.arm(alarm.timer, 40);
  EXPECT_EQ(wheel.next_deadline(), 100U);
  wheel.advance(100);
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheel, one_that_arms_itself_for_now_does_not_hold_up_advance) {
  TimerWheel wheel(0);
  int fired = 0;
  Alarm alarm([&] {
    ++fired;
    wheel.arm(alarm.timer, wheel.now_ms());
  });
  wheel.arm(alarm.timer, 10);
  wheel.advance(20);
  EXPECT_EQ(fired, 1);
  wheel.advance(20);
  EXPECT_EQ(fired, 2);
  wheel.cancel(alarm.timer);
}

TEST(TimerWheel, a_callback_sees_the_millisecond_of_its_deadline) {
  TimerWheel wheel(0);
  std::vector<std::uint64_t> seen;
  Alarm periodic([&] {
    seen.push_back(wheel.now_ms());
    wheel.arm(periodic.timer, wheel.now_ms() + 70);
  });
  wheel.arm(periodic.timer, 70);
  wheel.advance(300);
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{70, 140, 210, 280}));
  EXPECT_EQ(wheel.now_ms(), 300U);
  wheel.cancel(periodic.timer);
}

TEST(TimerWheel, one_millisecond_fires_in_the_order_of_arming) {
  TimerWheel wheel(0);
  std::vector<int> order;
  std::deque<Alarm> alarms;
  for (int i = 0; i < 10; ++i) {
    alarms.emplace_back([&order, i] { order.push_back(i); });
    wheel.advance(static_cast<std::uint64_t>(i) * 1000);  // later ones start on lower levels
    wheel.arm(alarms.back().timer, 9999);
  }
  wheel.advance(10'000);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(TimerWheel, callbacks_cancel_and_destroy_others_of_the_same_millisecond) {
  TimerWheel wheel(0);
  int fired = 0;
  auto second = std::make_unique<Alarm>([&] { ++fired; });
  Alarm third([&] { ++fired; });
  Alarm first([&] {
    wheel.cancel(second->timer);
    second.reset();
    wheel.arm(third.timer, 60);
  });
  wheel.arm(first.timer, 50);
  wheel.arm(second->timer, 50);
  wheel.arm(third.timer, 50);
  wheel.advance(59);
  EXPECT_EQ(fired, 0);
  wheel.advance(60);
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheel, a_callback_may_destroy_its_own_timer) {
  TimerWheel wheel(0);
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>([](void* owner) { static_cast<std::unique_ptr<Timer>*>(owner)->reset(); },
                                  &timer);
  wheel.arm(*timer, 1);
  wheel.advance(2);
  EXPECT_EQ(timer, nullptr);
}

TEST(TimerWheel, waiting_for_next_deadline_reaches_every_timer_in_few_steps) {
  TimerWheel wheel(12'345);
  bool fired = false;
  Alarm alarm([&] { fired = true; });
  wheel.arm(alarm.timer, 12'345 + 600'000);
  int steps = 0;
  while (!fired) {
    const auto next = wheel.next_deadline();
    ASSERT_TRUE(next);
    ASSERT_LE(*next, alarm.timer.deadline_ms());
    wheel.advance(*next);
    ASSERT_LE(++steps, 4);
  }
}

TEST(TimerWheelDeathTest, an_armed_timer_must_not_be_destroyed) {
  EXPECT_DEATH(
      {
        TimerWheel wheel(0);
        Alarm alarm([] {});
        wheel.arm(alarm.timer, 1);
      },
      "is_armed");
}

/// The same behaviour by the simplest means.
class Model {
 public:
  explicit Model(std::uint64_t now) : now_(now) {}
  void arm(std::size_t timer, std::uint64_t deadline) {
    cancel(timer);
    if (deadline <= now_) {
      due_.push_back(timer);
    } else {
      timers_.emplace(deadline, timer);  // behind those of the same deadline
    }
  }
  void cancel(std::size_t timer) {
    std::erase_if(timers_, [&](const auto& entry) { return entry.second == timer; });
    std::erase(due_, timer);
    std::erase(firing_, timer);
  }
  /// The next timer that fires in an advance to `now`, or none.
  void begin_advance() { firing_ = std::exchange(due_, {}); }
  std::optional<std::size_t> pop(std::uint64_t now) {
    if (firing_.empty() && !timers_.empty() && timers_.begin()->first <= now) {
      now_ = timers_.begin()->first;
      for (auto [entry, end] = timers_.equal_range(now_); entry != end; ++entry)
        firing_.push_back(entry->second);
      timers_.erase(now_);
    }
    if (firing_.empty()) {
      now_ = now;
      return std::nullopt;
    }
    const std::size_t timer = firing_.front();
    firing_.erase(firing_.begin());
    return timer;
  }
  [[nodiscard]] std::size_t size() const { return timers_.size() + due_.size() + firing_.size(); }
  [[nodiscard]] std::optional<std::uint64_t> earliest() const {
    if (!due_.empty()) return now_;
    return timers_.empty() ? std::nullopt : std::optional(timers_.begin()->first);
  }

 private:
  std::uint64_t now_;
  std::multimap<std::uint64_t, std::size_t> timers_;
  std::vector<std::size_t> due_;
  std::vector<std::size_t> firing_;
};

/// Drives a wheel and the model with the same random calls, from outside and from within callbacks.
class Comparison {
 public:
  explicit Comparison(std::uint64_t seed)
      : random_(seed), now_(random_.next() >> random_.below(64)), wheel_(now_), model_(now_) {
    for (std::size_t i = 0; i < 40; ++i) alarms_.emplace_back([this, i] { fired(i); });
  }
  ~Comparison() {
    for (Alarm& alarm : alarms_) wheel_.cancel(alarm.timer);
  }
  Comparison(const Comparison&) = delete;
  Comparison& operator=(const Comparison&) = delete;

  void run(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      act();
      if (!random_.chance(1, 3)) continue;
      now_ += std::min(random_distance(), UINT64_MAX - now_);
      target_ = now_;
      model_.begin_advance();
      wheel_.advance(now_);
      EXPECT_EQ(model_.pop(now_), std::nullopt) << "a timer did not fire";
      EXPECT_EQ(wheel_.armed_count(), model_.size());
      EXPECT_EQ(wheel_.now_ms(), now_);
      const auto hint = wheel_.next_deadline();
      const auto earliest = model_.earliest();
      ASSERT_EQ(hint.has_value(), earliest.has_value());
      if (hint) {
        EXPECT_LE(*hint, *earliest);
        EXPECT_GE(*hint, now_);
      }
    }
  }

 private:
  std::uint64_t random_distance() {
    // All magnitudes alike, so that every level is used; often 0 or 1.
    return random_.chance(1, 4) ? random_.below(3) : random_.next() >> (20 + random_.below(44));
  }
  void act() {
    const std::size_t timer = random_.below(alarms_.size());
    if (random_.chance(1, 4)) {
      wheel_.cancel(alarms_[timer].timer);
      model_.cancel(timer);
      return;
    }
    const std::uint64_t distance = random_distance();
    const std::uint64_t base = wheel_.now_ms();
    const std::uint64_t deadline =
        random_.chance(1, 8) ? base - std::min(base, distance) : base + std::min(distance, UINT64_MAX - base);
    wheel_.arm(alarms_[timer].timer, deadline);
    model_.arm(timer, deadline);
  }
  void fired(std::size_t timer) {
    EXPECT_EQ(model_.pop(target_), timer);
    EXPECT_FALSE(alarms_[timer].timer.is_armed());
    EXPECT_LE(alarms_[timer].timer.deadline_ms(), target_);
    for (std::uint64_t i = random_.below(3); i > 0; --i) act();
  }

  Random random_;
  std::uint64_t now_;
  std::uint64_t target_ = 0;
  TimerWheel wheel_;
  Model model_;
  std::deque<Alarm> alarms_;
};

TEST(TimerWheel, behaves_like_a_sorted_list) {
  for (std::uint64_t seed = 0; seed < 300 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Comparison(seed).run(200);
  }
}

}  // namespace
}  // namespace portshare
