// Scripted clients and servers against each other over many seeds, with nothing of ours in between: the
// ground truth for runs with the program.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>

#include "tests/simulation/scripted_client.h"
#include "tests/simulation/scripted_server.h"
#include "tests/simulation/simulated_world.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const SocketAddress server_address{.ip = IpEndpoint{IpAddress::v4({192, 0, 2, 1}), 80}, .unix_path = {}};

struct EchoRun {
  bool finished = false;
  std::uint64_t trace_hash = 0;
  std::size_t complete = 0;  ///< clients that got back all they had sent
  std::size_t failed = 0;
};

/// Eight clients of one echo server.
EchoRun run_echo(std::uint64_t seed, const SimulatedFaults& faults) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  SimulatedWorld world(seed, faults);
  Random random(seed + 1);
  ScriptedServer server(
      world.loop, Random(random.next()), world.network.listen(server_address),
      [](std::size_t) { return PeerScript{.send = {}, .echo = true, .patience = minutes{20}}; });
  server.start();

  std::deque<std::string> payloads;
  std::deque<ScriptedClient> clients;
  for (int i = 0; i < 8; ++i) {
    payloads.push_back(random_bytes(random, random.below(2000)));
    PeerScript script{.send = payloads.back(), .chunk_max = 1 + random.below(1000), .patience = minutes{20}};
    if (random.chance(1, 4)) script.send_pause_max = milliseconds{5};
    if (random.chance(1, 4)) script.receive_pause_max = milliseconds{5};
    clients.emplace_back(world.loop, Random(random.next()), server_address, script);
    clients.back().start();
  }
  EchoRun run;
  run.finished =
      world.run_until([&] { return std::ranges::all_of(clients, &ScriptedClient::is_done); }, minutes{60});
  server.stop();
  run.finished = world.run_until([&] { return server.is_stopped(); }, minutes{60}) && run.finished;
  run.trace_hash = world.network.trace_hash();
  EXPECT_TRUE(world.is_clean());

  for (std::size_t i = 0; i < clients.size(); ++i) {
    const PeerRecord& record = clients[i].record();
    EXPECT_TRUE(payloads[i].starts_with(record.received)) << "never other bytes, never another order";
    const bool ended_well = record.end == PeerRecord::End::as_scripted && record.receive_status == Status::ok;
    (ended_well && record.received == payloads[i] ? run.complete : run.failed) += 1;
  }
  return run;
}

TEST(SimulatedRunsTest, EqualSeedsGiveEqualRuns) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    const SimulatedFaults faults = SimulatedFaults::draw(random);
    const auto first = run_echo(seed, faults).trace_hash;
    EXPECT_EQ(run_echo(seed, faults).trace_hash, first);
    EXPECT_NE(run_echo(seed + 1000, faults).trace_hash, first);
  }
}

TEST(SimulatedRunsTest, HarmlessFaultsHarmNothing) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    Random random(seed);
    const EchoRun run = run_echo(seed, SimulatedFaults::draw_harmless(random));
    ASSERT_TRUE(run.finished) << "seed " << seed;
    ASSERT_EQ(run.complete, 8U) << "seed " << seed;
  }
}

TEST(SimulatedRunsTest, EveryRunFinishesWhateverFails) {
  std::size_t complete = 0;
  std::size_t failed = 0;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    Random random(seed);
    const EchoRun run = run_echo(seed, SimulatedFaults::draw(random));
    ASSERT_TRUE(run.finished) << "seed " << seed;
    complete += run.complete;
    failed += run.failed;
  }
  EXPECT_GT(complete, 500U) << "faults so frequent that nothing works find little";
  EXPECT_GT(failed, 500U);
}

TEST(SimulatedRunsTest, EveryFaultIsDrawnInSomeRunsAndMissingInOthers) {
  using Knob = std::uint32_t SimulatedFaults::*;
  for (const Knob knob :
       {&SimulatedFaults::early_return, &SimulatedFaults::partial_send, &SimulatedFaults::partial_receive,
        &SimulatedFaults::late_cancel, &SimulatedFaults::connect_refused,
        &SimulatedFaults::connect_unreachable, &SimulatedFaults::connect_silent,
        &SimulatedFaults::connect_slow, &SimulatedFaults::connect_half_open, &SimulatedFaults::reset_in_queue,
        &SimulatedFaults::reset, &SimulatedFaults::reset_discards_received,
        &SimulatedFaults::reset_reported_once, &SimulatedFaults::no_descriptors, &SimulatedFaults::no_ports,
        &SimulatedFaults::no_buffers}) {
    std::size_t with = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
      Random random(seed);
      if (SimulatedFaults::draw(random).*knob != 0) ++with;
    }
    EXPECT_GT(with, 10U);
    EXPECT_LT(with, 90U);
  }
}

// --- The scripts.

class ScriptsTest : public testing::Test {
 protected:
  /// Runs one client against one connection of a server; both have ended then.
  void run(const PeerScript& client_script, const PeerScript& server_script) {
    ScriptedServer server(world_.loop, Random(1), world_.network.listen(server_address),
                          [&](std::size_t) { return server_script; });
    server.start();
    ScriptedClient client(world_.loop, Random(2), server_address, client_script);
    client.start();
    ASSERT_TRUE(world_.run_until(
        [&] { return client.is_done() && server.open_connections() == 0 && !server.connections().empty(); },
        minutes{10}));
    server.stop();
    ASSERT_TRUE(world_.run_until([&] { return server.is_stopped(); }, seconds{1}));
    client_ = client.record();
    server_ = server.connections().front()->record();
    EXPECT_TRUE(world_.is_clean());
  }

  SimulatedWorld world_{3};
  PeerRecord client_;
  PeerRecord server_;
};

TEST_F(ScriptsTest, ARequestAndItsResponse) {
  run({.send = "ping", .ending = PeerScript::Ending::wait},
      {.send = "pong", .send_after = 4, .ending = PeerScript::Ending::close});
  EXPECT_EQ(server_.received, "ping");
  EXPECT_EQ(client_.received, "pong");
  EXPECT_TRUE(client_.end_received);
  EXPECT_EQ(client_.end, PeerRecord::End::as_scripted);
  EXPECT_EQ(server_.end, PeerRecord::End::as_scripted);
}

TEST_F(ScriptsTest, AResponseAfterTheEndOfTheRequest) {
  run({.send = "ping"}, {.send = "pong", .send_after_end = true});
  EXPECT_EQ(server_.received, "ping");
  EXPECT_EQ(client_.received, "pong");
}

TEST_F(ScriptsTest, AResetAfterSomeBytes) {
  run({.send = std::string(1000, 'x'), .reset_after_sent = 10},
      {.send = {}, .ending = PeerScript::Ending::wait});
  EXPECT_EQ(client_.end, PeerRecord::End::reset_by_script);
  EXPECT_EQ(client_.sent, 10U);
  EXPECT_EQ(server_.end, PeerRecord::End::failed);
  EXPECT_EQ(server_.receive_status, Status::reset);
}

TEST_F(ScriptsTest, AServerThatResetsWhatItReceives) {
  run({.send = std::string(1000, 'x')},
      {.send = {}, .ending = PeerScript::Ending::wait, .reset_after_received = 1});
  EXPECT_EQ(server_.end, PeerRecord::End::reset_by_script);
  EXPECT_EQ(client_.end, PeerRecord::End::failed);
}

TEST_F(ScriptsTest, AServerThatNeverReadsStopsItsClient) {
  run({.send = std::string(2'000'000, 'x'), .patience = seconds{60}},
      {.send = {}, .reads = false, .patience = seconds{90}});
  EXPECT_EQ(client_.end, PeerRecord::End::out_of_patience);
  EXPECT_LT(client_.sent, 1'000'000U);
  EXPECT_EQ(server_.received, "");
}

TEST_F(ScriptsTest, APeerThatPausesStillGetsEverything) {
  run({.send = std::string(1000, 'x'), .chunk_max = 10, .send_pause_max = milliseconds{20}},
      {.send = {}, .echo = true, .receive_pause_max = milliseconds{20}});
  EXPECT_EQ(client_.received, std::string(1000, 'x'));
}

}  // namespace
}  // namespace portshare
