#include "dispatch/server_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "dispatch/server_status.h"
#include "tests/dispatch/server_pool_support.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::Pair;

constexpr std::uint32_t nobody = ServerChoice::nobody;
constexpr std::uint32_t all_full = ServerChoice::all_full;

const std::string three = R"(backend.b.servers = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"])";

TEST(ServerChoice, ServersTakeTurns) {
  PoolWorld world(three);
  std::vector<std::uint32_t> picked;
  for (int i = 0; i < 6; ++i) picked.push_back(world.pick());
  EXPECT_THAT(picked, ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_EQ(world.state(1).report().active_connections, 2U);
}

/// What a choice answers first.
std::uint32_t first_of(ServerChoice& choice) {
  ServerPlace place;
  return choice.pick({.backend = 0, .source = {}, .tried = {}, .now = {}}, place);
}

TEST(ServerChoice, WorkersStartAtDifferentServers) {
  PoolWorld world(three, 5);
  for (std::uint32_t worker = 0; worker < 5; ++worker) {
    ServerChoice choice(world.pool, worker);
    EXPECT_EQ(first_of(choice), worker % 3);
  }
}

TEST(ServerChoice, WeightsAreShares) {
  PoolWorld world(R"(backend.b.servers = [{ address = "127.0.0.1:1", weight = 3 }, "127.0.0.1:2"])");
  EXPECT_THAT(world.picks(400), ElementsAre(Pair(0, 300), Pair(1, 100)));
}

TEST(ServerChoice, TheOthersShareTheTurnsOfOneThatIsDown) {
  PoolWorld world(three);
  world.state(1).set_mode(ServerState::Mode::disabled, world.now);
  EXPECT_THAT(world.picks(100), ElementsAre(Pair(0, 50), Pair(2, 50)));
  world.state(1).set_mode(ServerState::Mode::enabled, world.now);
  EXPECT_THAT(world.picks(99), ElementsAre(Pair(0, 33), Pair(1, 33), Pair(2, 33)));
}

TEST(ServerChoice, ARetryGoesToAnotherServer) {
  PoolWorld world(three);
  for (int i = 0; i < 20; ++i) {
    const std::uint32_t first = world.pick();
    const std::uint32_t second = world.pick({first});
    EXPECT_NE(first, second);
    const std::uint32_t third = world.pick({first, second});
    EXPECT_EQ(first + second + third, 0U + 1U + 2U);
    EXPECT_EQ(world.pick({first, second, third}), nobody);
  }
}

TEST(ServerChoice, NobodyIsAskedWhenTheOperatorSaysSo) {
  PoolWorld world(three);
  world.state(0).set_mode(ServerState::Mode::disabled, world.now);
  world.state(1).set_mode(ServerState::Mode::draining, world.now);
  EXPECT_THAT(world.picks(10), ElementsAre(Pair(2, 10)));
  world.state(2).set_mode(ServerState::Mode::draining, world.now);
  EXPECT_EQ(world.pick(), nobody);
}

// --- Backups ---

const std::string two_and_backups = R"(backend.b.servers = [
  { address = "127.0.0.1:8", backup = true }, "127.0.0.1:1", { address = "127.0.0.1:9", backup = true },
  "127.0.0.1:2"])";

TEST(ServerChoice, BackupsWaitUntilNobodyElseCan) {
  PoolWorld world(two_and_backups);
  EXPECT_EQ(world.pool.servers(0)[2].text, "127.0.0.1:8");
  EXPECT_THAT(world.picks(10), ElementsAre(Pair(0, 5), Pair(1, 5)));
  world.state(0).set_mode(ServerState::Mode::disabled, world.now);
  EXPECT_THAT(world.picks(10), ElementsAre(Pair(1, 10)));
  world.state(1).set_mode(ServerState::Mode::disabled, world.now);
  EXPECT_THAT(world.picks(10), ElementsAre(Pair(2, 5), Pair(3, 5)));
  world.state(0).set_mode(ServerState::Mode::enabled, world.now);
  EXPECT_THAT(world.picks(10), ElementsAre(Pair(0, 10)));
}

TEST(ServerChoice, BackupsAreTriedForAClientWhomAllOthersRefused) {
  PoolWorld world(two_and_backups);
  EXPECT_GE(world.pick({0, 1}), 2U);
  EXPECT_EQ(world.pick({0, 1, 2, 3}), nobody);
}

// --- Connects that fail ---

TEST(ServerChoice, AServerRestsAfterSeveralFailedConnects) {
  PoolWorld world(three);
  world.fail_connects(1, 2);
  world.choice.connect_succeeded(0, 1);
  world.fail_connects(1, 2);
  EXPECT_THAT(world.picks(30), ElementsAre(Pair(0, 10), Pair(1, 10), Pair(2, 10))) << "not in a row";
  world.fail_connects(1, 1);
  EXPECT_THAT(world.picks(30), ElementsAre(Pair(0, 15), Pair(2, 15)));
  const auto status = status_of(world.config, world.pool, world.now).at(0).servers.at(1);
  EXPECT_EQ(status.state, ServerStatus::State::resting);
  EXPECT_EQ(status.reason, "connect: connection refused (3 connects in a row)");
  EXPECT_EQ(status.failed_connects, 5U);
  EXPECT_EQ(status.total_connections, 1U);
}

TEST(ServerChoice, AfterItsRestOneConnectionTriesIt) {
  PoolWorld world(three);
  world.fail_connects(1, 3);
  world.now += milliseconds{1'999};
  EXPECT_EQ(world.picks(30).count(1), 0U);
  world.now += milliseconds{1};
  EXPECT_EQ(world.picks(30)[1], 1) << "one, and the others stay away until it has succeeded";
  world.fail_connects(1, 1);
  world.now += milliseconds{3'999};
  EXPECT_EQ(world.picks(30).count(1), 0U) << "rests get longer";
  world.now += milliseconds{1};
  EXPECT_EQ(world.picks(30)[1], 1);
  world.choice.connect_succeeded(0, 1);
  EXPECT_EQ(world.picks(30)[1], 10);
}

TEST(ServerChoice, RestsDoNotGetLongerThanAMinute) {
  PoolWorld world(three);
  world.fail_connects(1, 3);
  for (int i = 0; i < 10; ++i) {
    world.now += seconds{60};
    EXPECT_EQ(world.picks(30)[1], 1) << i;
  }
}

TEST(ServerChoice, WhenAllRestTheyAreTriedAllTheSame) {
  PoolWorld world(three);
  for (std::uint32_t server = 0; server < 3; ++server) world.fail_connects(server, 3);
  EXPECT_THAT(world.picks(30), ElementsAre(Pair(0, 10), Pair(1, 10), Pair(2, 10)));
  EXPECT_EQ(world.pick({0, 1}), 2U);
}

TEST(ServerChoice, ABackupIsBetterThanOneThatRests) {
  PoolWorld world(two_and_backups);
  world.fail_connects(0, 3);
  world.fail_connects(1, 3);
  EXPECT_THAT(world.picks(10), ElementsAre(Pair(2, 5), Pair(3, 5)));
}

// --- Limits ---

TEST(ServerChoice, AServerTakesNoMoreThanItMay) {
  PoolWorld world(three + "\nbackend.b.max_connections = 2");
  for (int i = 0; i < 6; ++i) EXPECT_LT(world.pick(), 3U);
  EXPECT_EQ(world.pick(), all_full);
  EXPECT_FALSE(world.choice.has_room(0));
  world.leave(1);
  EXPECT_TRUE(world.choice.has_room(0));
  EXPECT_EQ(world.pick(), 1U);
  EXPECT_EQ(world.pick({1}), all_full);
}

TEST(ServerChoice, WhoIsDownHasNoRoom) {
  PoolWorld world(three + "\nbackend.b.max_connections = 1");
  world.state(1).set_mode(ServerState::Mode::disabled, world.now);
  EXPECT_EQ(world.pick(), 0U);
  EXPECT_EQ(world.pick(), 2U);
  EXPECT_EQ(world.pick(), all_full);
  world.state(0).set_mode(ServerState::Mode::disabled, world.now);
  world.state(2).set_mode(ServerState::Mode::disabled, world.now);
  EXPECT_EQ(world.pick(), nobody);
  EXPECT_FALSE(world.choice.has_room(0));
}

TEST(ServerChoice, LimitsHoldOverAllThreads) {
  const Config config = config_with_backends(three + "\nbackend.b.max_connections = 3");
  ServerRegistry registry(4);
  const auto pool = ServerPool::resolve(config, {}, registry);
  std::atomic<int> taken = 0;
  std::vector<std::thread> threads;
  for (std::uint32_t worker = 0; worker < 4; ++worker) {
    threads.emplace_back([&, worker] {
      ServerChoice choice(*pool, worker);
      for (int i = 0; i < 1'000; ++i) {
        ServerPlace place;
        const std::uint32_t server = choice.pick({.backend = 0, .source = {}, .tried = {}, .now = {}}, place);
        if (server >= all_full) continue;
        if (++taken > 9) ADD_FAILURE() << "more than 3 at each of 3";
        --taken;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Server& server : pool->servers(0)) EXPECT_EQ(server.state->report().active_connections, 0U);
}

// --- Least connections ---

TEST(ServerChoice, TheLeastBusyIsNext) {
  PoolWorld world(three + "\nbackend.b.balance = \"least_connections\"");
  std::vector<std::uint32_t> picked;
  for (int i = 0; i < 6; ++i) ++(picked.resize(3), picked)[world.pick()];
  EXPECT_THAT(picked, ElementsAre(2, 2, 2));
  world.leave(1);
  world.leave(1);
  EXPECT_EQ(world.pick(), 1U);
  EXPECT_EQ(world.pick(), 1U);
  EXPECT_THAT(world.picks(90), ElementsAre(Pair(0, 30), Pair(1, 30), Pair(2, 30))) << "ties take turns";
}

TEST(ServerChoice, LeastConnectionsByWeight) {
  PoolWorld world(
      "backend.b = { balance = \"least_connections\", servers = [{ address = \"[::1]:1\", weight = 3 }, "
      "\"[::1]:2\"] }");
  for (int i = 0; i < 40; ++i) EXPECT_LT(world.pick(), 2U);
  EXPECT_EQ(world.state(0).counted_connections(), 30U);
  EXPECT_EQ(world.state(1).counted_connections(), 10U);
}

TEST(ServerChoice, LeastConnectionsHeedsHealthAndLimits) {
  PoolWorld world(three + "\nbackend.b.balance = \"least_connections\"\nbackend.b.max_connections = 2");
  world.state(0).set_mode(ServerState::Mode::draining, world.now);
  for (int i = 0; i < 4; ++i) EXPECT_LT(world.pick(), 3U);
  EXPECT_EQ(world.state(0).counted_connections(), 0U);
  EXPECT_EQ(world.pick(), all_full);
}

TEST(ServerChoice, LeastConnectionsTriesAServerAfterItsRest) {
  PoolWorld world(three + "\nbackend.b.balance = \"least_connections\"");
  world.fail_connects(2, 3);
  EXPECT_EQ(world.picks(30).count(2), 0U);
  world.now += seconds{2};
  EXPECT_EQ(world.picks(30)[2], 1);
}

// --- Source hash ---

TEST(ServerChoice, ASourceStaysWithItsServer) {
  PoolWorld world(three + "\nbackend.b.balance = \"source_hash\"");
  std::map<std::uint32_t, int> sources;
  for (std::uint8_t i = 0; i < 200; ++i) {
    world.source = IpAddress::v4({198, 51, 100, i});
    const auto picked = world.picks(5);
    ASSERT_EQ(picked.size(), 1U);
    ++sources[picked.begin()->first];
  }
  EXPECT_EQ(sources.size(), 3U);
}

TEST(ServerChoice, OnlyTheSourcesOfAServerThatIsDownMove) {
  PoolWorld world(three + "\nbackend.b.balance = \"source_hash\"");
  const auto server_of = [&](std::uint8_t host) {
    world.source = IpAddress::v4({198, 51, 100, host});
    return world.picks(1).begin()->first;
  };
  std::map<std::uint8_t, std::uint32_t> before;
  for (std::uint8_t host = 0; host < 200; ++host) before[host] = server_of(host);
  world.state(1).set_mode(ServerState::Mode::disabled, world.now);
  std::map<std::uint32_t, int> heirs;
  for (const auto& [host, server] : before) {
    if (server != 1) {
      EXPECT_EQ(server_of(host), server);
    } else {
      ++heirs[server_of(host)];
    }
  }
  EXPECT_EQ(heirs.count(1), 0U);
  EXPECT_EQ(heirs.size(), 2U) << "and they do not all go to one";
  world.state(1).set_mode(ServerState::Mode::enabled, world.now);
  for (const auto& [host, server] : before) EXPECT_EQ(server_of(host), server) << "they come back";
}

TEST(ServerChoice, WithoutASourceServersTakeTurns) {
  PoolWorld world(three + "\nbackend.b.balance = \"source_hash\"");
  EXPECT_THAT(world.picks(30), ElementsAre(Pair(0, 10), Pair(1, 10), Pair(2, 10)));
}

TEST(ServerChoice, ASourceWhoseServerIsFullGoesToAnother) {
  PoolWorld world(three + "\nbackend.b.balance = \"source_hash\"\nbackend.b.max_connections = 1");
  world.source = IpAddress::v4({198, 51, 100, 1});
  EXPECT_EQ(world.pick() + world.pick() + world.pick(), 3U);
  EXPECT_EQ(world.pick(), all_full);
}

// --- Pools ---

TEST(ServerPool, KeepsWhatIsKnownOfServersThatStay) {
  const Config before = config_with_backends(R"(backend.b.servers = ["127.0.0.1:1", "127.0.0.1:2"])");
  const Config after = config_with_backends(R"(backend.b.servers = ["127.0.0.1:3", "127.0.0.1:2"])");
  ServerRegistry registry(1);
  const ServerState* second = nullptr;
  {
    const auto pool = ServerPool::resolve(before, {}, registry);
    second = pool->servers(0)[1].state.get();
    pool->servers(0)[0].state->set_mode(ServerState::Mode::disabled, seconds{1});
  }
  const auto pool = ServerPool::resolve(after, {}, registry);
  EXPECT_EQ(pool->servers(0)[1].state.get(), second);
  EXPECT_EQ(registry.size(), 3U);
  registry.find("b", "127.0.0.1:3")->set_mode(ServerState::Mode::draining, seconds{1});
  registry.forget_unused();
  EXPECT_EQ(registry.size(), 3U) << "the operator's word on the first outlives it";
  registry.find("b", "127.0.0.1:1")->set_mode(ServerState::Mode::enabled, seconds{1});
  registry.forget_unused();
  EXPECT_EQ(registry.size(), 2U);
  EXPECT_EQ(registry.find("b", "127.0.0.1:1"), nullptr);
}

TEST(ServerPool, AnAddressIsOneServer) {
  const Config config =
      config_with_backends(R"(backend.b.servers = ["a.example:1", "192.0.2.1:1", "b.example:1"])");
  ServerRegistry registry(1);
  const auto pool = ServerPool::resolve(
      config, [](const std::string&) { return std::vector{*IpAddress::parse("192.0.2.1")}; }, registry);
  ASSERT_TRUE(pool);
  EXPECT_EQ(pool->servers(0).size(), 1U);
}

TEST(ServerPool, UnknownNames) {
  ServerRegistry registry(1);
  std::vector<std::string> unresolved;
  const auto resolve = [&](std::string_view backend) {
    unresolved.clear();
    const Config config = config_with_backends(backend);
    auto pool = ServerPool::resolve(
        config, [](const std::string&) { return std::unexpected(std::string("no such name")); }, registry,
        &unresolved);
    return pool ? std::string() : pool.error();
  };
  const std::string sentence = "f:2: backend 'b': cannot resolve server 'a.example:1': no such name";
  EXPECT_EQ(resolve(R"(backend.b.servers = ["a.example:1"])"), sentence);
  EXPECT_EQ(resolve(R"(backend.b = { servers = ["a.example:1"], resolve = "0s" })"), sentence);
  EXPECT_EQ(resolve(R"(backend.b = { servers = ["a.example:1"], resolve = "5s" })"), "");
  EXPECT_THAT(unresolved, ElementsAre(sentence)) << "it may come";
  EXPECT_EQ(resolve(R"(backend.b.servers = ["a.example:1", "192.0.2.1:1"])"), "");
  EXPECT_THAT(unresolved, ElementsAre(sentence)) << "there is another";
}

TEST(ServerPool, WithoutAnyServerNobodyIsPicked) {
  const Config config = config_with_backends(R"(backend.b = { servers = ["a.example:1"], resolve = "5s" })");
  ServerRegistry registry(1);
  const auto pool = ServerPool::resolve(
      config, [](const std::string&) { return std::unexpected(std::string("no such name")); }, registry);
  ServerChoice choice(*pool, 0);
  EXPECT_EQ(first_of(choice), nobody);
  EXPECT_FALSE(choice.has_room(0));
}

}  // namespace
}  // namespace portshare
