// What a worker and its sessions do in situations that are set up one by one.
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

// An opaque first flight, which servers may answer with whatever they like.
const std::string request = "SSH-2.0-client that talks to the first backend\r\n";
const std::string http_request = "GET / HTTP/1.1\r\nHost: app0.example\r\n\r\n";
const std::string http_response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// Answers a request and closes.
PeerScript responder(const std::string& response = "response") {
  return {
      .send = response, .send_after = 1, .ending = PeerScript::Ending::half_close, .patience = minutes{30}};
}

class WorkerTest : public testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  DispatchWorld& make(Config config, const PeerScript& server = responder(),
                      const SimulatedFaults& faults = SimulatedFaults::none(), std::uint64_t seed = 1,
                      std::size_t max_sessions = SIZE_MAX) {
    world_ = std::make_unique<DispatchWorld>(
        seed, faults, std::move(config), [server](std::size_t, std::size_t, std::size_t) { return server; },
        max_sessions);
    return *world_;
  }
  /// Lets clients begin to connect; with `far_away` nothing of that has arrived yet.
  void let_clients_start() { run_for(milliseconds{1}); }
  static SimulatedFaults far_away() {
    SimulatedFaults faults = SimulatedFaults::none();
    faults.latency_min = faults.latency_max = milliseconds{10};
    return faults;
  }
  static SimulatedFaults without_descriptors() {
    SimulatedFaults faults = far_away();
    faults.no_descriptors = 1000;
    return faults;
  }
  void run_for(milliseconds time) {
    (void)world_->run_until([] { return false; }, time);
  }
  bool run_until_clients_are_done(milliseconds longest) {
    return world_->run_until([&] { return std::ranges::all_of(world_->clients(), &ScriptedClient::is_done); },
                             longest);
  }
  std::size_t count_of(Outcome outcome) {
    return static_cast<std::size_t>(std::ranges::count_if(
        world_->logged(), [&](const LoggedConnection& line) { return line.record.outcome == outcome; }));
  }
  milliseconds now() { return std::chrono::floor<milliseconds>(world_->world().network.now()); }

  std::unique_ptr<DispatchWorld> world_;
};

// --- First flights.

TEST_F(WorkerTest, DrippingBytesDoNotExtendTheFirstFlightTimeout) {
  Config config = dispatch_config(1, 1);
  config.listeners[0].first_flight_timeout = seconds{5};
  DispatchWorld& dispatch = make(std::move(config));
  const ScriptedClient& client = dispatch.add_client({.send = "GET /" + std::string(500, 'x'),
                                                      .chunk_max = 1,
                                                      .send_pause_max = milliseconds{100},
                                                      .ending = PeerScript::Ending::wait});
  EXPECT_TRUE(dispatch.run_until([&] { return dispatch.worker().session_count() > 0; }, seconds{1}));
  EXPECT_TRUE(dispatch.run_until([&] { return !client.record().received.empty(); }, milliseconds{5'050}));
  EXPECT_GE(now(), milliseconds{6'000}) << "the clock starts at one second";
  EXPECT_TRUE(client.record().received.starts_with("HTTP/1.1 408 "));
  EXPECT_TRUE(run_until_clients_are_done(minutes{1}));
  EXPECT_TRUE(dispatch.stop(minutes{1}));
  EXPECT_EQ(count_of(Outcome::timeout), 1U);
}

TEST_F(WorkerTest, AClientThatWaitsForTheServerGoesToTheSilentBackend) {
  Config config = dispatch_config(2, 1);
  config.listeners[0].silent_backend = 1;
  DispatchWorld& dispatch =
      make(std::move(config), {.send = "SSH-2.0-server\r\n", .ending = PeerScript::Ending::wait});
  const ScriptedClient& client = dispatch.add_client({.send = "SSH-2.0-client\r\n", .send_after = 16});
  ASSERT_TRUE(run_until_clients_are_done(seconds{6}));
  EXPECT_TRUE(dispatch.stop(seconds{1}));
  EXPECT_TRUE(dispatch.world().is_clean());
  EXPECT_EQ(client.record().received, "SSH-2.0-server\r\n");
  ASSERT_EQ(dispatch.server(1, 0).connections().size(), 1U);
  EXPECT_EQ(dispatch.server(1, 0).connections()[0]->record().received, "SSH-2.0-client\r\n");
  ASSERT_EQ(dispatch.logged().size(), 1U);
  EXPECT_EQ(dispatch.logged()[0].record.outcome, Outcome::ok);
  EXPECT_EQ(dispatch.logged()[0].record.backend, 1U);
  EXPECT_FALSE(dispatch.logged()[0].record.knows_protocol);
}

TEST_F(WorkerTest, BytesThatComeWhileTheSilentBackendTakesOverAreNotLost) {
  std::size_t handed_over = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Config config = dispatch_config(2, 1);
    config.listeners[0].first_flight_timeout = milliseconds{2};
    config.listeners[0].silent_backend = 1;
    SimulatedFaults faults = SimulatedFaults::none();
    faults.cancel_delay_max = milliseconds{2};
    faults.late_cancel = 500;
    faults.latency_max = milliseconds{3};
    DispatchWorld& dispatch = make(std::move(config), {.send = "", .echo = true}, faults, seed);
    const ScriptedClient& client = dispatch.add_client({.send = request, .patience = minutes{1}});
    ASSERT_TRUE(run_until_clients_are_done(minutes{2}));
    ASSERT_TRUE(dispatch.stop(seconds{10}));
    EXPECT_TRUE(dispatch.world().is_clean());
    // A client of which a part has come in time speaks too slowly and is closed; whoever was silent until
    // then belongs to the silent backend, with every byte.
    const std::string& received = client.record().received;
    EXPECT_TRUE(received == request || (received.empty() && count_of(Outcome::timeout) == 1)) << received;
    if (!dispatch.server(1, 0).connections().empty()) ++handed_over;
  }
  EXPECT_GT(handed_over, 20U);
}

TEST_F(WorkerTest, WithoutProtocolsAConnectionIsRoutedBeforeItsFirstByte) {
  Config config = dispatch_config(2, 1);
  ListenerConfig& listener = config.listeners[0];
  listener.protocols = {};
  listener.default_backend = 1;
  DispatchWorld& dispatch =
      make(std::move(config), {.send = "hello", .ending = PeerScript::Ending::half_close});
  const ScriptedClient& client = dispatch.add_client({.send = "\x01\x02", .send_after = 5});
  ASSERT_TRUE(run_until_clients_are_done(seconds{1}));
  EXPECT_TRUE(dispatch.stop(seconds{1}));
  EXPECT_EQ(client.record().received, "hello");
  EXPECT_EQ(dispatch.server(1, 0).connections()[0]->record().received, "\x01\x02");
}

TEST_F(WorkerTest, BytesThatNobodyClaimsGoWhereAnyGoes) {
  Config config = dispatch_config(2, 1);
  config.listeners[0].protocols.insert(Protocol::any);
  RouteRule any;
  any.protocols = {Protocol::any};
  any.backend = 1;
  any.line = 77;
  config.rules.push_back(any);
  build_routes(config);
  DispatchWorld& dispatch = make(std::move(config), {.send = "", .echo = true});
  const ScriptedClient& client = dispatch.add_client({.send = "\x01\x02\x03", .chunk_max = 1});
  ASSERT_TRUE(run_until_clients_are_done(seconds{1}));
  EXPECT_TRUE(dispatch.stop(seconds{1}));
  EXPECT_EQ(client.record().received, "\x01\x02\x03");
  EXPECT_EQ(dispatch.logged()[0].record.backend, 1U);
  EXPECT_EQ(dispatch.logged()[0].record.route_line, 77U);
}

TEST_F(WorkerTest, ADeniedClientThatResetsAtOnceReachesNoServer) {
  // Such a connection may wait in the queue longer than its client lives, and then has no peer's address.
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Config config = dispatch_config(1, 1);
    config.listeners[0].deny = {*IpPrefix::parse("127.0.0.0/8")};
    DispatchWorld& dispatch = make(std::move(config), responder(), far_away(), seed);
    for (int i = 0; i < 4; ++i)
      dispatch.add_client(
          {.send = request, .ending = PeerScript::Ending::wait, .patience = milliseconds{50}});
    let_clients_start();
    dispatch.world().network.set_faults(without_descriptors());
    ASSERT_TRUE(run_until_clients_are_done(seconds{1}));
    dispatch.world().network.set_faults(far_away());
    run_for(seconds{1});
    ASSERT_TRUE(dispatch.stop(seconds{1}));
    EXPECT_TRUE(dispatch.server(0, 0).connections().empty());
    EXPECT_EQ(count_of(Outcome::denied) + count_of(Outcome::client_reset), dispatch.logged().size());
    for (const auto& line : dispatch.logged()) EXPECT_TRUE(line.record.has_destination);
  }
}

// --- Servers.

TEST_F(WorkerTest, ConnectionsGoRoundTheServers) {
  DispatchWorld& dispatch = make(dispatch_config(1, 3));
  for (int i = 0; i < 30; ++i) {
    dispatch.add_client({.send = request});
    ASSERT_TRUE(run_until_clients_are_done(seconds{1}));
  }
  EXPECT_TRUE(dispatch.stop(seconds{1}));
  for (std::size_t server = 0; server < 3; ++server)
    EXPECT_EQ(dispatch.server(0, server).connections().size(), 10U);
}

TEST_F(WorkerTest, TheOneHealthyServerGetsEverybodyWithinTheRetries) {
  using Reach = SimulatedNetwork::Reach;
  for (const Reach reach : {Reach::refused, Reach::unreachable, Reach::silent}) {
    Config config = dispatch_config(1, 3);
    config.backends[0].retries = 2;
    config.backends[0].connect_timeout = seconds{1};
    DispatchWorld& dispatch = make(std::move(config));
    dispatch.world().network.set_reach(server_address(0, 0), reach);
    dispatch.world().network.set_reach(server_address(0, 2), reach);
    for (int i = 0; i < 12; ++i) {
      dispatch.add_client({.send = request});
      ASSERT_TRUE(run_until_clients_are_done(seconds{5}));
      EXPECT_EQ(dispatch.clients().back().record().received, "response");
    }
    EXPECT_TRUE(dispatch.stop(seconds{1}));
    ASSERT_EQ(dispatch.server(0, 1).connections().size(), 12U);
    for (const auto& connection : dispatch.server(0, 1).connections())
      EXPECT_EQ(connection->record().received, request);
    EXPECT_EQ(count_of(Outcome::ok), 12U);
    for (const LoggedConnection& line : dispatch.logged()) EXPECT_EQ(line.record.server, 1U);
  }
}

TEST_F(WorkerTest, NoMoreServersAreAskedThanTheRetriesSay) {
  Config config = dispatch_config(1, 4);
  config.backends[0].retries = 1;
  DispatchWorld& dispatch = make(std::move(config));
  for (const std::size_t server : {0U, 1U, 2U})
    dispatch.world().network.set_reach(server_address(0, server), SimulatedNetwork::Reach::refused);
  // Beginning at servers 0, 1, 2 and 3 in turn; the healthy one is the last.
  for (int i = 0; i < 4; ++i) {
    dispatch.add_client({.send = request});
    ASSERT_TRUE(run_until_clients_are_done(seconds{10}));
  }
  EXPECT_TRUE(dispatch.stop(seconds{1}));
  EXPECT_EQ(count_of(Outcome::refused), 2U);
  EXPECT_EQ(count_of(Outcome::ok), 2U);
}

TEST_F(WorkerTest, ASilentServerIsGivenUpAfterTheConnectTimeout) {
  Config config = dispatch_config(1, 1);
  config.backends[0].connect_timeout = milliseconds{700};
  DispatchWorld& dispatch = make(std::move(config));
  dispatch.world().network.set_reach(server_address(0, 0), SimulatedNetwork::Reach::silent);
  const ScriptedClient& client =
      dispatch.add_client({.send = http_request, .ending = PeerScript::Ending::wait});
  run_for(milliseconds{690});
  EXPECT_EQ(client.record().received, "");
  run_for(milliseconds{20});
  EXPECT_TRUE(client.record().received.starts_with("HTTP/1.1 504 "));
  EXPECT_TRUE(dispatch.stop(seconds{10}));
}

TEST_F(WorkerTest, AConnectThatSucceedsInSpiteOfItsTimeoutIsUsed) {
  std::size_t late = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Config config = dispatch_config(1, 2);
    config.backends[0].connect_timeout = milliseconds{15};
    SimulatedFaults faults = far_away();
    faults.cancel_delay_max = milliseconds{10};
    faults.late_cancel = 1000;
    DispatchWorld& dispatch = make(std::move(config), responder(), faults, seed);
    const ScriptedClient& client = dispatch.add_client({.send = request});
    ASSERT_TRUE(run_until_clients_are_done(minutes{1}));
    ASSERT_TRUE(dispatch.stop(minutes{1}));
    EXPECT_TRUE(dispatch.world().is_clean());
    ASSERT_EQ(dispatch.logged().size(), 1U);
    const bool connected = dispatch.logged()[0].record.connect >= milliseconds{0};
    EXPECT_EQ(client.record().received == "response", connected);
    if (connected) ++late;
  }
  EXPECT_GT(late, 20U);
}

// --- Idle connections.

TEST_F(WorkerTest, AnIdleConnectionEndsAfterTheIdleTimeoutAndNotBefore) {
  Config config = dispatch_config(1, 1);
  config.listeners[0].idle_timeout = seconds{10};
  DispatchWorld& dispatch = make(std::move(config), {.send = "hello", .ending = PeerScript::Ending::wait});
  const ScriptedClient& client = dispatch.add_client({.send = request, .ending = PeerScript::Ending::wait});
  run_for(milliseconds{9'900});
  EXPECT_EQ(dispatch.worker().session_count(), 1U);
  EXPECT_TRUE(dispatch.run_until([&] { return client.is_done(); }, milliseconds{200}));
  EXPECT_TRUE(client.record().end_received) << "it has got all there was";
  EXPECT_TRUE(dispatch.stop(seconds{1}));
  EXPECT_EQ(count_of(Outcome::idle), 1U);
}

TEST_F(WorkerTest, BytesInOneDirectionKeepAConnectionFromBeingIdle) {
  Config config = dispatch_config(1, 1);
  config.listeners[0].idle_timeout = milliseconds{300};
  DispatchWorld& dispatch = make(std::move(config), {.send = "hello", .ending = PeerScript::Ending::wait});
  dispatch.add_client(
      {.send = request + std::string(100, 'x'), .chunk_max = 1, .send_pause_max = milliseconds{200}});
  ASSERT_TRUE(run_until_clients_are_done(minutes{1}));
  EXPECT_GT(now(), seconds{3});
  EXPECT_TRUE(dispatch.stop(seconds{1}));
  EXPECT_EQ(count_of(Outcome::ok), 1U);
}

TEST_F(WorkerTest, IdleWithBytesOnTheWayIsAResetAndNotAnEnd) {
  Config config = dispatch_config(1, 1);
  config.listeners[0].idle_timeout = seconds{10};
  DispatchWorld& dispatch =
      make(std::move(config), {.send = std::string(2'000'000, 'x'), .patience = minutes{1}});
  const ScriptedClient& client =
      dispatch.add_client({.send = request, .receive_delay = seconds{30}, .patience = minutes{1}});
  ASSERT_TRUE(dispatch.run_until([&] { return dispatch.server(0, 0).open_connections() == 1; }, seconds{1}));
  ASSERT_TRUE(dispatch.run_until([&] { return dispatch.server(0, 0).open_connections() == 0; }, seconds{20}));
  EXPECT_EQ(dispatch.server(0, 0).connections()[0]->record().end, PeerRecord::End::failed);
  ASSERT_TRUE(run_until_clients_are_done(minutes{2}));
  EXPECT_LT(client.record().received.size(), 2'000'000U);
  EXPECT_FALSE(client.record().end_received);
  EXPECT_EQ(client.record().receive_status, Status::reset);
  EXPECT_TRUE(dispatch.stop(seconds{1}));
  EXPECT_EQ(count_of(Outcome::idle), 1U);
}

TEST_F(WorkerTest, WithoutIdleTimeoutASessionEndsWhenBothSidesHaveFailed) {
  // The server ends its stream and then takes no more bytes, while its end is being passed on.
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Config config = dispatch_config(1, 1);
    config.listeners[0].idle_timeout = milliseconds{0};
    SimulatedFaults faults = SimulatedFaults::none();
    faults.completion_delay_max = milliseconds{1};
    DispatchWorld& dispatch = make(std::move(config),
                                   {.send = "y",
                                    .send_after = request.size() + 100,
                                    .reset_after_received = request.size() + 110 + seed % 50},
                                   faults, seed);
    dispatch.add_client({.send = request + std::string(1'000, 'x'),
                         .chunk_max = 10,
                         .ending = PeerScript::Ending::wait,
                         .patience = seconds{20}});
    ASSERT_TRUE(run_until_clients_are_done(minutes{1}));
    ASSERT_TRUE(dispatch.stop(minutes{1})) << "a session is left hanging";
    EXPECT_TRUE(dispatch.world().is_clean());
  }
}

TEST_F(WorkerTest, WhatAServerSaysBeforeItRefusesTheRestReachesTheClient) {
  // An answer to the first part of an upload, and then a reset for the rest of it, while most of the answer
  // still waits for a client that is slow to read.
  SimulatedFaults faults = SimulatedFaults::none();
  faults.send_buffer = faults.receive_buffer = 8'192;
  const std::string answer(20'000, 'a');
  DispatchWorld& dispatch = make(dispatch_config(1, 1),
                                 {.send = answer,
                                  .receive_delay = milliseconds{500},
                                  .ending = PeerScript::Ending::wait,
                                  .reset_after_received = 1},
                                 faults);
  const ScriptedClient& client = dispatch.add_client(
      {.send = request + std::string(200'000, 'u'), .receive_delay = seconds{1}, .patience = minutes{1}});
  ASSERT_TRUE(run_until_clients_are_done(minutes{2}));
  ASSERT_TRUE(dispatch.stop(seconds{10}));
  EXPECT_TRUE(dispatch.world().is_clean());
  // A reset takes with it what is in the last socket's buffers.
  EXPECT_GE(client.record().received.size(), answer.size() - faults.send_buffer);
  EXPECT_FALSE(client.record().end_received);
  EXPECT_EQ(count_of(Outcome::server_reset), 1U);
}

// --- How many, and until when.

TEST_F(WorkerTest, AcceptingPausesAtTheLimitAndResumes) {
  constexpr std::size_t most = 20;
  DispatchWorld& dispatch = make(dispatch_config(1, 2), responder(), SimulatedFaults::none(), 1, most);
  for (int i = 0; i < 100; ++i)
    dispatch.add_client({.send = request, .send_pause_max = milliseconds{100}, .patience = minutes{10}});
  std::size_t seen = 0;
  ASSERT_TRUE(dispatch.run_until(
      [&] {
        seen = std::max(seen, dispatch.worker().session_count());
        return std::ranges::all_of(dispatch.clients(), &ScriptedClient::is_done);
      },
      minutes{5}));
  // Room is kept for connections whose accept had been started, which come all the same.
  EXPECT_GE(seen, most / 2);
  EXPECT_LE(seen, most);
  EXPECT_TRUE(dispatch.stop(seconds{10}));
  EXPECT_TRUE(dispatch.world().is_clean());
  EXPECT_EQ(count_of(Outcome::ok), 100U);
}

TEST_F(WorkerTest, AcceptingResumesAfterAShortageOfDescriptors) {
  DispatchWorld& dispatch = make(dispatch_config(1, 1), responder(), far_away());
  dispatch.add_client({.send = request, .patience = minutes{10}});
  let_clients_start();
  dispatch.world().network.set_faults(without_descriptors());
  run_for(seconds{2});
  EXPECT_EQ(dispatch.worker().session_count(), 0U);
  dispatch.world().network.set_faults(far_away());
  ASSERT_TRUE(run_until_clients_are_done(milliseconds{300}));
  EXPECT_EQ(dispatch.clients()[0].record().received, "response");
  EXPECT_TRUE(dispatch.stop(seconds{1}));
}

TEST_F(WorkerTest, ADrainLetsRunWhatRunsAndTakesNothingNew) {
  PeerScript slow = responder(std::string(1'000, 'x'));
  slow.chunk_max = 10;
  slow.send_pause_max = milliseconds{100};
  DispatchWorld& dispatch = make(dispatch_config(1, 1), slow);
  const ScriptedClient& early = dispatch.add_client({.send = request, .patience = minutes{1}});
  ASSERT_TRUE(dispatch.run_until([&] { return !early.record().received.empty(); }, seconds{1}));
  dispatch.drain();
  run_for(milliseconds{10});
  EXPECT_FALSE(dispatch.is_drained());
  const ScriptedClient& late = dispatch.add_client({.send = request, .patience = seconds{20}});
  ASSERT_TRUE(dispatch.run_until([&] { return dispatch.is_drained(); }, minutes{1}));
  EXPECT_EQ(early.record().received, std::string(1'000, 'x'));
  EXPECT_EQ(late.record().received, "");
  EXPECT_TRUE(dispatch.stop(seconds{1}));
  ASSERT_TRUE(run_until_clients_are_done(minutes{1}));
  EXPECT_EQ(dispatch.logged().size(), 1U);
}

TEST_F(WorkerTest, TerminatedConnectionsAreResetAndSaySo) {
  DispatchWorld& dispatch =
      make(dispatch_config(1, 1), {.send = "hello", .ending = PeerScript::Ending::wait});
  const ScriptedClient& client = dispatch.add_client({.send = request, .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(dispatch.run_until([&] { return client.record().received == "hello"; }, seconds{1}));
  dispatch.worker().terminate_all();
  EXPECT_TRUE(dispatch.stop(milliseconds{10}));
  ASSERT_TRUE(run_until_clients_are_done(seconds{1}));
  EXPECT_EQ(client.record().receive_status, Status::reset);
  EXPECT_EQ(count_of(Outcome::shutdown), 1U);
}

TEST_F(WorkerTest, ConnectionsAcceptedDuringTheEndEndToo) {
  // A cancelled accept may bring a connection all the same, after the others were terminated.
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Config config = dispatch_config(1, 1);
    config.listeners[0].first_flight_timeout = milliseconds{0};
    config.listeners[0].idle_timeout = milliseconds{0};
    SimulatedFaults faults = SimulatedFaults::none();
    faults.completion_delay_max = milliseconds{1};
    faults.cancel_delay_max = milliseconds{1};
    faults.late_cancel = 1000;
    DispatchWorld& dispatch = make(std::move(config), responder(), faults, seed);
    for (int i = 0; i < 5; ++i)
      dispatch.add_client({.send = "", .ending = PeerScript::Ending::wait, .patience = minutes{10}});
    // Some have been accepted, some are in the queue.
    const auto moment = dispatch.world().network.now() + std::chrono::microseconds{10 * seed};
    ASSERT_TRUE(dispatch.run_until([&] { return dispatch.world().network.now() >= moment; }, seconds{1}));
    dispatch.drain();
    dispatch.worker().terminate_all();
    ASSERT_TRUE(dispatch.run_until([&] { return dispatch.is_drained(); }, seconds{1}));
    ASSERT_TRUE(dispatch.stop(seconds{1}));
    ASSERT_TRUE(run_until_clients_are_done(minutes{20}));
    EXPECT_EQ(count_of(Outcome::shutdown), dispatch.logged().size());
  }
}

TEST_F(WorkerTest, TheLogCountsBytesAndTimes) {
  SimulatedFaults faults = SimulatedFaults::none();
  faults.latency_min = faults.latency_max = milliseconds{10};
  DispatchWorld& dispatch = make(dispatch_config(1, 1), responder(http_response), faults);
  dispatch.add_client({.send = http_request, .chunk_max = 30});
  ASSERT_TRUE(run_until_clients_are_done(seconds{1}));
  EXPECT_TRUE(dispatch.stop(seconds{1}));
  ASSERT_EQ(dispatch.logged().size(), 1U);
  const LoggedConnection& line = dispatch.logged()[0];
  EXPECT_EQ(line.name, "app0.example");
  EXPECT_EQ(line.record.protocol, Protocol::http);
  EXPECT_TRUE(line.record.knows_protocol);
  EXPECT_EQ(line.record.client, dispatch.clients()[0].address());
  EXPECT_EQ(line.record.destination, *front_address.ip);
  EXPECT_EQ(line.record.route_line, 10U);
  EXPECT_EQ(line.record.backend, 0U);
  EXPECT_EQ(line.record.server, 0U);
  EXPECT_EQ(line.record.bytes_in, http_request.size());
  EXPECT_EQ(line.record.bytes_out, http_response.size());
  EXPECT_GE(line.record.first_flight, milliseconds{9}) << "one way, less the turn of the accept";
  EXPECT_LT(line.record.first_flight, milliseconds{100});
  EXPECT_GE(line.record.connect, milliseconds{20});
  EXPECT_GE(line.record.duration, line.record.first_flight + line.record.connect);
}

}  // namespace
}  // namespace portshare
