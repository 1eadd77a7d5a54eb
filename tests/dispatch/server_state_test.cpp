#include "dispatch/server_state.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "dispatch/server_status.h"
#include "tests/dispatch/server_pool_support.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Change = ServerState::Change;

const std::string checked_backend =
    R"(backend.b = { servers = ["127.0.0.1:1", "127.0.0.1:2"], health = { rise = 2, fall = 3 } })";

class CheckedServer : public testing::Test {
 protected:
  CheckedServer() { server().set_checked(true, world_.now); }
  ServerState& server() { return world_.state(0); }
  Change check(bool succeeds) {
    return server().checked({.succeeded = succeeds, .reason = "HTTP status 500", .duration = milliseconds{3}},
                            2, 3, world_.now);
  }
  ServerStatus status() { return status_of(world_.config, world_.pool, world_.now).at(0).servers.at(0); }

  PoolWorld world_{checked_backend};
};

TEST_F(CheckedServer, IsUsedUntilItsFirstCheckSaysOtherwise) {
  EXPECT_EQ(status().state, ServerStatus::State::checking);
  EXPECT_TRUE(server().is_usable());
  EXPECT_EQ(check(false), Change::went_down) << "of which nothing good is known";
  EXPECT_EQ(status().state, ServerStatus::State::down);
  EXPECT_EQ(status().reason, "HTTP status 500 (1 check failed)");
  EXPECT_FALSE(server().is_usable());
}

TEST_F(CheckedServer, FallsAndRises) {
  EXPECT_EQ(check(true), Change::none);
  EXPECT_EQ(check(false), Change::none);
  EXPECT_EQ(check(false), Change::none);
  EXPECT_EQ(check(true), Change::none);
  EXPECT_EQ(check(false), Change::none);
  EXPECT_EQ(check(false), Change::none);
  world_.now += seconds{10};
  EXPECT_EQ(check(false), Change::went_down);
  world_.now += seconds{5};
  EXPECT_EQ(status().state, ServerStatus::State::down);
  EXPECT_EQ(status().state_age, milliseconds{5'000});
  EXPECT_EQ(status().last_check_age, milliseconds{5'000});
  EXPECT_EQ(status().reason, "HTTP status 500 (3 checks failed)");
  EXPECT_EQ(status().checks, 7U);
  EXPECT_EQ(status().failed_checks, 5U);
  EXPECT_EQ(check(true), Change::none);
  EXPECT_EQ(check(false), Change::none);
  EXPECT_EQ(check(true), Change::none);
  EXPECT_EQ(check(true), Change::came_up);
  EXPECT_EQ(status().state, ServerStatus::State::up);
  EXPECT_EQ(status().reason, "");
  EXPECT_TRUE(server().is_usable());
}

TEST_F(CheckedServer, ConnectsThatFailAreChecksThatHaveFailed) {
  int rings = 0;
  world_.registry.bell()->connect([&] { ++rings; });
  EXPECT_EQ(check(true), Change::none);
  world_.fail_connects(0, 2);
  EXPECT_EQ(rings, 1) << "somebody is to look, once";
  EXPECT_TRUE(server().take_check_request());
  EXPECT_FALSE(server().take_check_request());
  world_.choice.connect_succeeded(0, 0);
  EXPECT_EQ(check(false), Change::went_down) << "a connect that succeeds proves less than a check";
  EXPECT_FALSE(server().is_usable());
  EXPECT_FALSE(server().is_resting());
}

TEST_F(CheckedServer, ConnectsAloneTakeItOut) {
  EXPECT_EQ(check(true), Change::none);
  world_.fail_connects(0, 3);
  EXPECT_EQ(status().state, ServerStatus::State::down);
  EXPECT_EQ(status().reason, "connect: connection refused (3 connects in a row)");
  world_.now += seconds{100};
  EXPECT_EQ(world_.picks(10).count(0), 0U) << "no connection tries it: its checks will tell";
  EXPECT_EQ(check(true), Change::none);
  EXPECT_EQ(check(true), Change::came_up);
  world_.registry.bell()->connect(nullptr);
}

TEST_F(CheckedServer, WhenAllAreDownNobodyIsAsked) {
  world_.state(1).set_checked(true, world_.now);
  EXPECT_EQ(check(false), Change::went_down);
  EXPECT_EQ(world_.state(1).checked({.succeeded = false, .reason = "", .duration = {}}, 2, 3, world_.now),
            Change::went_down);
  EXPECT_EQ(world_.pick(), ServerChoice::nobody);
}

TEST_F(CheckedServer, WithoutChecksNothingIsKnownAgainstIt) {
  EXPECT_EQ(check(false), Change::went_down);
  server().set_checked(false, world_.now);
  EXPECT_TRUE(server().is_usable());
  EXPECT_EQ(status().state, ServerStatus::State::up);
}

TEST_F(CheckedServer, TheOperatorsWordIsShownBeforeAnythingElse) {
  EXPECT_EQ(check(false), Change::went_down);
  server().set_mode(ServerState::Mode::draining, world_.now);
  EXPECT_EQ(status().state, ServerStatus::State::draining);
  server().set_mode(ServerState::Mode::disabled, world_.now);
  EXPECT_EQ(status().state, ServerStatus::State::disabled);
  server().set_mode(ServerState::Mode::enabled, world_.now);
  EXPECT_EQ(status().state, ServerStatus::State::down);
}

}  // namespace
}  // namespace portshare
