#include "platform/bind_trial.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <optional>
#include <utility>

namespace portshare {
namespace {

constexpr AddressPair same_address{TrialAddress::loopback, TrialAddress::loopback};

class BindTrialTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = BindTrials::start();
    ASSERT_TRUE(started) << started.error();
    trials.emplace(std::move(*started));
  }
  BindOutcome attempt(PortUse use, SecondOwner owner, ShareOption first, ShareOption second) {
    const auto outcome = trials->attempt(
        {.use = use, .addresses = same_address, .owner = owner, .first = first, .second = second});
    EXPECT_TRUE(outcome) << outcome.error();
    return outcome.value_or(BindOutcome{});
  }

  std::optional<BindTrials> trials;
};

TEST_F(BindTrialTest, AnOpenListenerWithoutOptionKeepsItsPort) {
  for (const SecondOwner owner : {SecondOwner::same_process, SecondOwner::other_process}) {
    const BindOutcome outcome = attempt(PortUse::listening, owner, ShareOption::none, ShareOption::none);
    EXPECT_EQ(outcome.second.bind_error, EADDRINUSE);
    EXPECT_GE(outcome.first_got, 16U);
    EXPECT_EQ(outcome.second_got + outcome.refused, 0U);
  }
}

TEST_F(BindTrialTest, SharedPortsOfOneUserGetConnectionsAtRandom) {
  for (const SecondOwner owner : {SecondOwner::same_process, SecondOwner::other_process}) {
    const BindOutcome outcome =
        attempt(PortUse::listening, owner, ShareOption::reuse_port, ShareOption::reuse_port);
    EXPECT_TRUE(outcome.second.succeeded());
    EXPECT_GT(outcome.first_got, 0U);
    EXPECT_GT(outcome.second_got, 0U);
  }
}

TEST_F(BindTrialTest, AClosedListenerLeavesItsPortToWhoeverReusesAddresses) {
  for (const PortUse use : {PortUse::connected, PortUse::time_wait}) {
    const BindOutcome denied =
        attempt(use, SecondOwner::other_process, ShareOption::reuse_address, ShareOption::none);
    EXPECT_EQ(denied.second.bind_error, EADDRINUSE);
    EXPECT_EQ(denied.refused, 16U);
    EXPECT_TRUE(denied.established_lives);
    const BindOutcome allowed =
        attempt(use, SecondOwner::other_process, ShareOption::reuse_address, ShareOption::reuse_address);
    EXPECT_TRUE(allowed.second.succeeded());
    EXPECT_EQ(allowed.second_got, 16U);
    EXPECT_TRUE(allowed.established_lives);
  }
}

TEST_F(BindTrialTest, NoHelperIsLeftBehind) {
  trials.reset();
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(BindTrial, ErrorsHaveTheirNames) {
  EXPECT_EQ(error_name(EADDRINUSE), "EADDRINUSE");
  EXPECT_EQ(error_name(99999), "99999");
}

}  // namespace
}  // namespace portshare
