// Where nobody looks at the client's bytes: when the server hears of a connection, and with what.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "tests/simulation/dispatch_world.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const std::string question = "a question";
const std::string answer = "an answer";

/// So many have to speak first before it is taken for a habit.
constexpr std::size_t habit = 64;

class FirstWordTest : public testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  /// A server that answers `habit` clients, and says to the others what `later` says.
  DispatchWorld& make(const PeerScript& later, const SimulatedFaults& faults = SimulatedFaults::none(),
                      std::uint64_t seed = 1) {
    Config config = dispatch_config(1, 1);
    config.listeners[0].protocols = {};
    config.listeners[0].default_backend = 0;
    const PeerScript answering{.send = answer, .send_after = question.size()};
    world_ =
        std::make_unique<DispatchWorld>(seed, faults, std::move(config),
                                        [answering, later](std::size_t, std::size_t, std::size_t connection) {
                                          return connection < habit ? answering : later;
                                        });
    return *world_;
  }
  void learn_the_habit() {
    for (std::size_t i = 0; i < habit; ++i) {
      const ScriptedClient& client =
          world_->add_client({.send = question, .ending = PeerScript::Ending::wait});
      ASSERT_TRUE(world_->run_until([&] { return client.is_done(); }, minutes{1}));
      ASSERT_EQ(client.record().received, answer);
    }
  }
  void run_for(milliseconds time) {
    (void)world_->run_until([] { return false; }, time);
  }
  [[nodiscard]] std::size_t connections() { return world_->server(0, 0).connections().size(); }
  const PeerRecord& at_the_server() { return world_->server(0, 0).connections().back()->record(); }
  void finish(const ScriptedClient& client) {
    ASSERT_TRUE(world_->run_until([&] { return client.is_done(); }, minutes{1}));
    ASSERT_TRUE(world_->stop(minutes{1}));
    EXPECT_TRUE(world_->world().is_clean());
  }

  std::unique_ptr<DispatchWorld> world_;
};

TEST_F(FirstWordTest, AtFirstTheServerHearsOfAConnectionAtOnce) {
  make({});
  const ScriptedClient& client = world_->add_client(
      {.send = question, .send_delay = milliseconds{20}, .ending = PeerScript::Ending::wait});
  run_for(milliseconds{3});
  EXPECT_EQ(connections(), 1U);
  finish(client);
  EXPECT_EQ(client.record().received, answer);
}

TEST_F(FirstWordTest, WhereClientsAlwaysSpeakFirstItHearsOfItWithTheirFirstBytes) {
  make({.send = answer, .send_after = question.size()});
  learn_the_habit();
  const ScriptedClient& client = world_->add_client(
      {.send = question, .send_delay = milliseconds{4}, .ending = PeerScript::Ending::wait});
  run_for(milliseconds{3});
  EXPECT_EQ(world_->worker().session_count(), 1U);
  EXPECT_EQ(connections(), habit);
  finish(client);
  EXPECT_EQ(connections(), habit + 1);
  EXPECT_EQ(client.record().received, answer);
  EXPECT_EQ(at_the_server().received, question);
}

TEST_F(FirstWordTest, WhoSaysNothingIsWaitedForAMomentAndTheNextOneNotAtAll) {
  make({.send = "welcome", .ending = PeerScript::Ending::half_close});
  learn_the_habit();
  const ScriptedClient& client = world_->add_client({.send = question, .send_after = 7});
  run_for(milliseconds{3});
  EXPECT_EQ(connections(), habit);
  run_for(milliseconds{4});
  EXPECT_EQ(connections(), habit + 1);
  ASSERT_TRUE(world_->run_until([&] { return client.is_done(); }, minutes{1}));
  EXPECT_EQ(client.record().received, "welcome");
  EXPECT_EQ(at_the_server().received, question);

  const ScriptedClient& next = world_->add_client({.send = question, .send_after = 7});
  run_for(milliseconds{3});
  EXPECT_EQ(connections(), habit + 2);
  finish(next);
  EXPECT_EQ(next.record().received, "welcome");
}

TEST_F(FirstWordTest, AWordThatComesAsThePatienceEndsIsNotLost) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimulatedFaults faults = SimulatedFaults::none();
    faults.cancel_delay_max = milliseconds{2};
    faults.late_cancel = 500;
    faults.latency_max = milliseconds{2};
    make({.send = answer, .send_after = question.size()}, faults, seed);
    learn_the_habit();
    const ScriptedClient& client = world_->add_client(
        {.send = question, .send_delay = milliseconds{5}, .ending = PeerScript::Ending::wait});
    finish(client);
    EXPECT_EQ(client.record().received, answer);
    EXPECT_EQ(at_the_server().received, question);
  }
}

TEST_F(FirstWordTest, AnEndInPlaceOfAWordIsPassedOn) {
  make({.send = answer, .send_after_end = true});
  learn_the_habit();
  const ScriptedClient& client = world_->add_client({});
  finish(client);
  EXPECT_EQ(client.record().received, answer);
  EXPECT_TRUE(at_the_server().end_received);
  EXPECT_EQ(at_the_server().received, "");
}

TEST_F(FirstWordTest, AResetInPlaceOfAWordReachesNoServer) {
  make({});
  learn_the_habit();
  const ScriptedClient& client =
      world_->add_client({.ending = PeerScript::Ending::wait, .patience = milliseconds{2}});
  finish(client);
  EXPECT_EQ(connections(), habit);
  EXPECT_EQ(world_->logged().back().record.outcome, Outcome::client_reset);
}

}  // namespace
}  // namespace portshare
