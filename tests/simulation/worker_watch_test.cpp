// Workers that come round and workers that do not, in virtual time.
#include "dispatch/worker_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tests/simulation/simulated_world.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class WorkerWatchTest : public testing::Test {
 protected:
  void start(std::size_t workers) {
    questions_.resize(workers);
    behaviour_.resize(workers, Behaviour::answers);
    watch_.emplace(world_.loop,
                   WorkerWatch::Options{
                       .workers = workers,
                       .ask = [this](std::size_t worker,
                                     std::function<void()> answer) { return ask(worker, std::move(answer)); },
                       .all_come_round = [this] { ++good_intervals_; },
                   });
  }

  void pass(milliseconds time) {
    (void)world_.run_until([] { return false; }, time);
  }

  enum class Behaviour : std::uint8_t { answers, hangs, has_ended };

  bool ask(std::size_t worker, std::function<void()> answer) {
    ++asked_;
    if (behaviour_[worker] == Behaviour::has_ended) return false;
    if (behaviour_[worker] == Behaviour::answers) {
      world_.loop.post(std::move(answer));
    } else {
      EXPECT_FALSE(questions_[worker]) << "asked again without an answer";
      questions_[worker] = std::move(answer);
    }
    return true;
  }

  SimulatedWorld world_{1};
  std::vector<std::function<void()>> questions_;
  std::vector<Behaviour> behaviour_;
  std::size_t asked_ = 0;
  int good_intervals_ = 0;
  std::optional<WorkerWatch> watch_;
};

TEST_F(WorkerWatchTest, WorkersThatComeRoundAreWell) {
  start(3);
  pass(seconds{60});
  EXPECT_EQ(watch_->stuck_count(), 0U);
  EXPECT_GE(good_intervals_, 58);
  EXPECT_GE(asked_, 3U * 59U);
}

TEST_F(WorkerWatchTest, NobodyIsAskedBeforeTheLoopTurns) {
  start(2);
  EXPECT_EQ(asked_, 0U) << "until then its clock stands still, and a start that takes long would count";
  pass(seconds{2});
  EXPECT_GE(asked_, 2U);
}

TEST_F(WorkerWatchTest, OneThatHangsIsStuckAfterAWhileAndStopsTheGoodNews) {
  start(3);
  behaviour_[1] = Behaviour::hangs;
  pass(seconds{5});
  EXPECT_EQ(watch_->stuck_count(), 0U) << "a long turn is not the end of the world";
  pass(seconds{3});
  EXPECT_EQ(watch_->stuck_count(), 1U);
  EXPECT_FALSE(watch_->stuck_for(0));
  ASSERT_TRUE(watch_->stuck_for(1));
  EXPECT_GE(*watch_->stuck_for(1), seconds{5});
  const int before = good_intervals_;
  pass(seconds{60});
  EXPECT_EQ(good_intervals_, before);
  EXPECT_GE(*watch_->stuck_for(1), seconds{65});
}

TEST_F(WorkerWatchTest, OneThatComesBackIsWell) {
  start(2);
  behaviour_[0] = Behaviour::hangs;
  pass(seconds{20});
  ASSERT_EQ(watch_->stuck_count(), 1U);
  behaviour_[0] = Behaviour::answers;
  std::exchange(questions_[0], nullptr)();
  EXPECT_EQ(watch_->stuck_count(), 0U);
  const int before = good_intervals_;
  pass(seconds{10});
  EXPECT_GE(good_intervals_, before + 9);
}

TEST_F(WorkerWatchTest, OneThatHasEndedIsNotMissed) {
  start(2);
  behaviour_[0] = Behaviour::has_ended;
  behaviour_[1] = Behaviour::has_ended;
  pass(seconds{20});
  EXPECT_EQ(watch_->stuck_count(), 0U);
  EXPECT_GE(good_intervals_, 18);
}

TEST_F(WorkerWatchTest, AnAnswerMayComeTooLate) {
  start(1);
  behaviour_[0] = Behaviour::hangs;
  pass(seconds{2});
  ASSERT_TRUE(questions_[0]);
  watch_.reset();
  questions_[0]();  // touches nothing that is gone
}

}  // namespace
}  // namespace portshare
