#include "dispatch/accept_balance.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace portshare {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr microseconds start = seconds{1};
constexpr microseconds window = AcceptBalance::window;
// Far more than what counts as no lead.
constexpr int many = 1'000;

/// The workers, each with its view.
class AcceptBalanceTest : public testing::Test {
 protected:
  void make(std::size_t workers) {
    counts_.emplace(workers);
    for (std::size_t i = 0; i < workers; ++i) balances_.emplace_back(&*counts_, i);
  }
  void accept(std::size_t worker, int count) {
    for (int i = 0; i < count; ++i) balances_[worker].accepted();
  }
  bool may_accept(std::size_t worker, microseconds now) { return balances_[worker].may_accept(now); }
  /// How many the worker takes, of `most`, while nobody else does anything.
  int take(std::size_t worker, microseconds now, int most = many) {
    int taken = 0;
    for (; taken < most && may_accept(worker, now); ++taken) accept(worker, 1);
    return taken;
  }
  /// All take part in the window that begins at `now`.
  void begin_with_all(microseconds now) {
    for (std::size_t i = 0; i < balances_.size(); ++i) accept(i, 1);
    for (std::size_t i = 0; i < balances_.size(); ++i) EXPECT_TRUE(may_accept(i, now));
  }

  std::optional<AcceptCounts> counts_;
  std::vector<AcceptBalance> balances_;
};

TEST_F(AcceptBalanceTest, WhoIsAloneAcceptsAlways) {
  make(1);
  EXPECT_EQ(take(0, start), many);
  EXPECT_EQ(take(0, start + window / 2), many);
  AcceptBalance without_counts(nullptr, 0);
  for (int i = 0; i < many; ++i) {
    without_counts.accepted();
    ASSERT_TRUE(without_counts.may_accept(start));
  }
}

TEST_F(AcceptBalanceTest, WorkersThatAreAlikeNeverRest) {
  make(2);
  begin_with_all(start);
  for (int i = 0; i < many; ++i) {
    accept(0, 1);
    accept(1, 1);
    ASSERT_TRUE(may_accept(0, start + microseconds{i}));
    ASSERT_TRUE(may_accept(1, start + microseconds{i}));
  }
}

TEST_F(AcceptBalanceTest, WhoIsAheadRestsUntilTheOtherHasCaughtUp) {
  make(2);
  begin_with_all(start);
  const int burst = take(0, start);
  EXPECT_GT(burst, 1) << "connections come in bursts";
  EXPECT_LT(burst, 100);
  EXPECT_FALSE(may_accept(0, start + window - microseconds{1}));
  EXPECT_TRUE(may_accept(1, start)) << "the other one goes on";
  accept(1, burst);
  EXPECT_TRUE(may_accept(0, start + microseconds{1}));
  // A fifth more is fair, twice as many are not.
  accept(1, many);
  const int more = take(0, start + microseconds{2}, 2 * many);
  EXPECT_GE(more, many);
  EXPECT_LT(more, many * 3 / 2);
}

TEST_F(AcceptBalanceTest, ARestEndsWithTheWindow) {
  make(2);
  begin_with_all(start);
  take(0, start);
  ASSERT_FALSE(may_accept(0, start + window - microseconds{1}));
  EXPECT_TRUE(may_accept(0, start + window));
}

TEST_F(AcceptBalanceTest, NobodyWaitsForAWorkerThatTookNothingInTheLastWindow) {
  make(3);
  begin_with_all(start);
  accept(0, 100);
  accept(1, 100);  // the third one is stuck from here on
  ASSERT_TRUE(may_accept(0, start + window));
  ASSERT_TRUE(may_accept(1, start + window));
  for (int i = 0; i < many; ++i) {
    accept(0, 1);
    accept(1, 1);
    ASSERT_TRUE(may_accept(0, start + window)) << "a share of two, not of three";
    ASSERT_TRUE(may_accept(1, start + window));
  }
  // When the others have stopped, too, nobody is left to be waited for.
  ASSERT_TRUE(may_accept(0, start + 2 * window));
  ASSERT_TRUE(may_accept(0, start + 3 * window));
  EXPECT_EQ(take(0, start + 3 * window), many);
}

TEST_F(AcceptBalanceTest, AnIdleWorkerTakesPartAgainOnceItHasAccepted) {
  make(2);
  ASSERT_TRUE(may_accept(0, start));
  EXPECT_EQ(take(0, start), many) << "the other one has never taken any";
  accept(1, 1);
  ASSERT_TRUE(may_accept(0, start + window));
  EXPECT_LT(take(0, start + window), many);
}

TEST_F(AcceptBalanceTest, ALeadOfAnEarlierWindowIsForgotten) {
  make(2);
  begin_with_all(start);
  accept(0, many);
  accept(1, 1);
  ASSERT_TRUE(may_accept(0, start + window));
  accept(0, 10);
  accept(1, 10);
  EXPECT_TRUE(may_accept(0, start + window));
}

TEST_F(AcceptBalanceTest, CountsMayWrapAround) {
  make(2);
  begin_with_all(start);
  ASSERT_GT(counts_->of(0), UINT32_MAX - 101);
  accept(0, 150);
  ASSERT_LT(counts_->of(0), 100U) << "they begin so high that every test passes by here";
  EXPECT_FALSE(may_accept(0, start));
  accept(1, 150);
  EXPECT_TRUE(may_accept(0, start));
  EXPECT_TRUE(may_accept(1, start));
  EXPECT_LT(take(0, start), 200);
}

}  // namespace
}  // namespace portshare
