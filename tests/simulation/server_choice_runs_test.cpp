// Sessions on their way to a server: others are tried, room is waited for, servers that fail are left alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <string>

#include "tests/simulation/dispatch_world.h"
#include "tests/simulation/seeded_runs.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;

std::string greeting(std::size_t number) {
  return "SSH-2.0-client" + std::to_string(number) + "\r\n";
}

/// Holds a connection until the client has gone.
PeerScript patient_server() {
  return {.send = "hello", .send_after = 1, .ending = PeerScript::Ending::wait, .patience = minutes{30}};
}
/// Stays for so long after the server's greeting.
PeerScript client_for(std::size_t number, milliseconds time) {
  return {.send = greeting(number), .ending = PeerScript::Ending::wait, .patience = time};
}

class ServerChoiceTest : public testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override {
    if (world_) {
      EXPECT_TRUE(world_->stop(minutes{10}));
      for (const Server& server : world_->pool().servers(0)) {
        EXPECT_EQ(server.state->report().active_connections, 0U);
        EXPECT_EQ(server.state->counted_connections(), 0U);
      }
      EXPECT_EQ(world_->pool().backend(0).queue->size(), 0U);
    }
    world_.reset();
    spdlog::set_level(spdlog::level::info);
  }

  DispatchWorld& make(std::size_t servers, const std::function<void(BackendConfig&)>& change,
                      const PeerScript& script = patient_server()) {
    Config config = dispatch_config(1, servers);
    change(config.backends[0]);
    world_ = std::make_unique<DispatchWorld>(1, SimulatedFaults::none(), std::move(config),
                                             [script](auto...) { return script; });
    return *world_;
  }
  void run_for(milliseconds time) {
    (void)world_->run_until([] { return false; }, time);
  }
  std::size_t served_by(std::size_t server) { return world_->server(0, server).connections().size(); }
  std::vector<std::size_t> served() {
    std::vector<std::size_t> counts;
    for (std::size_t i = 0; i < world_->pool().servers(0).size(); ++i) counts.push_back(served_by(i));
    return counts;
  }
  void set_reach(std::size_t server, SimulatedNetwork::Reach reach) {
    world_->world().network.set_reach(server_address(0, server), reach);
  }
  void ask(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto& client = world_->add_client({.send = greeting(i),
                                               .ending = PeerScript::Ending::close,
                                               .close_after_received = 5,
                                               .patience = minutes{1}});
      EXPECT_TRUE(world_->run_until([&] { return client.is_done(); }, minutes{1}));
    }
  }
  std::size_t outcomes(Outcome outcome) {
    return static_cast<std::size_t>(std::ranges::count_if(
        world_->logged(), [&](const LoggedConnection& line) { return line.record.outcome == outcome; }));
  }

  std::unique_ptr<DispatchWorld> world_;
};

TEST_F(ServerChoiceTest, EachServerIsTriedOnce) {
  make(4, [](BackendConfig& backend) { backend.retries = 100; });
  for (const std::size_t server : {0U, 1U, 3U}) set_reach(server, SimulatedNetwork::Reach::refused);
  ask(8);
  EXPECT_THAT(served(), ElementsAre(0, 0, 8, 0));
  set_reach(2, SimulatedNetwork::Reach::refused);
  ask(1);
  EXPECT_EQ(outcomes(Outcome::refused), 1U);
}

TEST_F(ServerChoiceTest, AServerThatIsSilentIsLeftAloneAfterAWhile) {
  make(2, [](BackendConfig& backend) { backend.connect_timeout = milliseconds{100}; });
  set_reach(0, SimulatedNetwork::Reach::silent);
  const auto before = world_->world().network.now();
  ask(20);
  EXPECT_THAT(served(), ElementsAre(0, 20));
  EXPECT_LE(world_->world().network.now() - before, milliseconds{3 * 100 + 20 * 10}) << "three have waited";
  set_reach(0, SimulatedNetwork::Reach::normal);
  run_for(seconds{2});
  ask(4);
  EXPECT_GE(served_by(0), 1U) << "its rest is over";
  ask(10);
  EXPECT_GE(served_by(0), 6U);
}

TEST_F(ServerChoiceTest, WhenAllHaveFailedClientsStillGetThrough) {
  make(2, [](BackendConfig&) {});
  for (const std::size_t server : {0U, 1U}) set_reach(server, SimulatedNetwork::Reach::refused);
  ask(10);
  EXPECT_EQ(outcomes(Outcome::refused), 10U);
  set_reach(1, SimulatedNetwork::Reach::normal);
  ask(1);
  EXPECT_EQ(served_by(1), 1U) << "nobody is refused without a try";
}

TEST_F(ServerChoiceTest, NobodyIsAskedWhereAllAreDisabled) {
  make(2, [](BackendConfig&) {});
  for (const Server& server : world_->pool().servers(0)) {
    server.state->set_mode(ServerState::Mode::disabled, world_->world().loop.now());
  }
  ask(2);
  EXPECT_EQ(outcomes(Outcome::unavailable), 2U);
  EXPECT_THAT(served(), ElementsAre(0, 0));
}

// --- The queue

TEST_F(ServerChoiceTest, FirstComeFirstServed) {
  make(1, [](BackendConfig& backend) {
    backend.max_connections = 1;
    backend.connect_timeout = minutes{5};
  });
  for (std::size_t i = 0; i < 10; ++i) {
    world_->add_client(client_for(i, seconds{1} * static_cast<int>(i + 1)));
    run_for(milliseconds{1});
  }
  EXPECT_EQ(world_->pool().backend(0).queue->size(), 9U);
  EXPECT_TRUE(world_->run_until(
      [&] { return std::ranges::all_of(world_->clients(), &ScriptedClient::is_done); }, minutes{2}));
  ASSERT_EQ(served_by(0), 10U);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(world_->server(0, 0).connections()[i]->record().received, greeting(i));
  }
}

TEST_F(ServerChoiceTest, WaitingHasAnEnd) {
  make(1, [](BackendConfig& backend) {
    backend.max_connections = 1;
    backend.connect_timeout = milliseconds{500};
  });
  world_->add_client(client_for(0, minutes{1}));
  run_for(milliseconds{1});
  const auto& second = world_->add_client(client_for(1, minutes{1}));
  const auto before = world_->world().network.now();
  EXPECT_TRUE(world_->run_until([&] { return second.is_done(); }, minutes{1}));
  EXPECT_GE(world_->world().network.now() - before, milliseconds{500});
  EXPECT_LE(world_->world().network.now() - before, milliseconds{510});
  EXPECT_EQ(outcomes(Outcome::unavailable), 1U);
  EXPECT_EQ(served_by(0), 1U);
}

TEST_F(ServerChoiceTest, NobodyJoinsAQueueWithoutAServerThatIsWell) {
  make(1, [](BackendConfig& backend) {
    backend.max_connections = 1;
    backend.connect_timeout = minutes{60};
  });
  for (std::size_t i = 0; i < 2; ++i) world_->add_client(client_for(i, minutes{1}));
  run_for(milliseconds{1});
  ASSERT_EQ(world_->pool().backend(0).queue->size(), 1U);
  world_->pool().servers(0)[0].state->set_mode(ServerState::Mode::draining, world_->world().loop.now());
  const auto& late = world_->add_client(client_for(2, minutes{1}));
  EXPECT_TRUE(world_->run_until([&] { return late.is_done(); }, seconds{1}));
  EXPECT_EQ(outcomes(Outcome::unavailable), 1U);
}

TEST_F(ServerChoiceTest, AServerThatComesBackMakesRoomForManyAtOnce) {
  make(2, [](BackendConfig& backend) {
    backend.max_connections = 4;
    backend.connect_timeout = seconds{30};
  });
  ServerState& second = *world_->pool().servers(0)[1].state;
  second.set_mode(ServerState::Mode::disabled, world_->world().loop.now());
  for (std::size_t i = 0; i < 8; ++i) world_->add_client(client_for(i, minutes{1}));
  run_for(milliseconds{5});
  EXPECT_THAT(served(), ElementsAre(4, 0));
  second.set_mode(ServerState::Mode::enabled, world_->world().loop.now());
  run_for(milliseconds{5});
  EXPECT_THAT(served(), ElementsAre(4, 4));
}

TEST_F(ServerChoiceTest, ConnectsThatFailGiveTheirPlaceBack) {
  make(1, [](BackendConfig& backend) {
    backend.max_connections = 1;
    backend.connect_timeout = seconds{5};
  });
  set_reach(0, SimulatedNetwork::Reach::refused);
  ask(5);
  EXPECT_EQ(outcomes(Outcome::refused), 5U);
  set_reach(0, SimulatedNetwork::Reach::normal);
  ask(1);
  EXPECT_EQ(served_by(0), 1U);
}

TEST_F(ServerChoiceTest, TheEndOfTheProgramEndsTheQueue) {
  make(1, [](BackendConfig& backend) {
    backend.max_connections = 1;
    backend.connect_timeout = minutes{60};
  });
  for (std::size_t i = 0; i < 5; ++i) world_->add_client(client_for(i, minutes{50}));
  run_for(milliseconds{5});
  EXPECT_EQ(world_->pool().backend(0).queue->size(), 4U);
  world_->drain();
  world_->worker().terminate_all();
  EXPECT_TRUE(world_->run_until([&] { return world_->is_drained(); }, seconds{1}));
  EXPECT_EQ(outcomes(Outcome::shutdown), 5U);
}

// --- Runs

/// A backend of any kind, servers that come and go, clients that wait, leave and are cut off, and reloads: no
/// place is lost, none is given twice, and nobody waits for ever.
class ServerRun {
 public:
  ServerRun(std::uint64_t seed, bool with_faults)
      : random_(seed), faults_(with_faults ? SimulatedFaults::draw(random_) : SimulatedFaults::none()) {
    Config config = dispatch_config(1, 1 + random_.below(4));
    BackendConfig& backend = config.backends[0];
    backend.balance = static_cast<Balance>(random_.below(3));
    backend.max_connections = static_cast<std::uint32_t>(random_.below(4));
    backend.retries = static_cast<std::uint32_t>(random_.below(4));
    backend.connect_timeout = milliseconds{50 + random_.below(2'000)};
    for (ServerAddress& server : backend.servers) {
      server.weight = 1 + static_cast<std::uint32_t>(random_.below(3));
      server.is_backup = random_.chance(1, 4);
    }
    limit_ = backend.max_connections;
    world_ = std::make_unique<DispatchWorld>(seed, faults_, std::move(config),
                                             [](auto...) { return patient_server(); });
  }

  void execute() {
    for (int step = 0; step < 40; ++step) {
      disturb();
      const auto moment = world_->world().network.now() + milliseconds{random_.below(200)};
      world_->run_until(
          [&] {
            check_limits();
            return world_->world().network.now() >= moment;
          },
          minutes{10});
      if (testing::Test::HasFailure()) return;
    }
    for (std::size_t i = 0; i < world_->pool().servers(0).size(); ++i) {
      world_->world().network.set_reach(server_address(0, i), SimulatedNetwork::Reach::normal);
    }
    world_->world().network.set_faults(SimulatedFaults::none());
    EXPECT_TRUE(world_->run_until(
        [&] { return std::ranges::all_of(world_->clients(), &ScriptedClient::is_done); }, minutes{60}));
    EXPECT_TRUE(world_->stop(minutes{60}));
    for (const Server& server : world_->pool().servers(0)) {
      EXPECT_EQ(server.state->report().active_connections, 0U);
      EXPECT_EQ(server.state->counted_connections(), 0U);
    }
    EXPECT_EQ(world_->pool().backend(0).queue->size(), 0U);
    EXPECT_TRUE(world_->world().is_clean());
  }

 private:
  void disturb() {
    const std::size_t servers = world_->pool().servers(0).size();
    const std::size_t server = random_.below(servers);
    switch (random_.below(8)) {
      case 0:
        return world_->world().network.set_reach(server_address(0, server),
                                                 static_cast<SimulatedNetwork::Reach>(random_.below(4)));
      case 1:
        return world_->pool().servers(0)[server].state->set_mode(
            static_cast<ServerState::Mode>(random_.below(3)), world_->world().loop.now());
      case 2:
        return world_->reload(read_again(world_->config()), [] {});
      default:
        for (std::uint64_t i = random_.below(4); i > 0; --i) {
          world_->add_client(client_for(i, milliseconds{random_.below(1'500)}));
        }
    }
  }
  void check_limits() {
    if (limit_ == 0) return;
    for (const Server& server : world_->pool().servers(0)) {
      ASSERT_LE(server.state->counted_connections(), limit_);
      ASSERT_LE(server.state->report().active_connections, limit_);
    }
  }

  Random random_;
  SimulatedFaults faults_;
  std::uint32_t limit_ = 0;
  std::unique_ptr<DispatchWorld> world_;
};

class ServerRuns : public testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }
};

TEST_F(ServerRuns, InPeace) {
  run_seeds<ServerRun>(1'000, false);
}

TEST_F(ServerRuns, WithFaults) {
  run_seeds<ServerRun>(2'000, true);
}

}  // namespace
}  // namespace portshare
