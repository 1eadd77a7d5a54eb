// How a session goes from request to request, in situations that are set up one by one.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tests/simulation/dispatch_world.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Ending = PeerScript::Ending;
using Reaction = PeerScript::Reaction;

std::string get(const std::string& path, const std::string& fields = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: app0.example\r\n" + fields + "\r\n";
}

std::string response(const std::string& body, const std::string& fields = "") {
  return "HTTP/1.1 200 OK\r\n" + fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

const std::string request_timeout = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";

class HttpSessionTest : public testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  /// `scripts`: what the connections of the only server do, one after the other.
  DispatchWorld& make(Config config, const std::vector<PeerScript>& scripts,
                      const SimulatedFaults& faults = SimulatedFaults::none()) {
    world_ = std::make_unique<DispatchWorld>(
        1, faults, std::move(config),
        [scripts](std::size_t, std::size_t, std::size_t connection) { return scripts.at(connection); });
    return *world_;
  }
  /// Ends once every client has; nothing may be left.
  void finish() {
    EXPECT_TRUE(world_->run_until(
        [&] { return std::ranges::all_of(world_->clients(), &ScriptedClient::is_done); }, minutes{5}));
    EXPECT_TRUE(world_->stop(minutes{1}));
    EXPECT_TRUE(world_->world().is_clean());
  }
  const std::string& received_by_server(std::size_t connection) {
    return world_->server(0, 0).connections().at(connection)->record().received;
  }

  /// Says each of `answers` once so many bytes have come in all.
  static PeerScript staged(std::map<std::size_t, std::string> answers, Ending ending = Ending::wait) {
    PeerScript script{.ending = ending, .patience = minutes{2}};
    script.react = [answers = std::move(answers)](const std::string& received) mutable {
      Reaction reaction;
      while (!answers.empty() && received.size() >= answers.begin()->first) {
        reaction.send += answers.begin()->second;
        answers.erase(answers.begin());
      }
      reaction.finished = answers.empty();
      return reaction;
    };
    return script;
  }

  std::unique_ptr<DispatchWorld> world_;
};

TEST_F(HttpSessionTest, WhatAServerSaysBeforeItIsAskedIsNoAnswer) {
  const std::string first = get("/1");
  const std::string second = get("/2");
  DispatchWorld& dispatch =
      make(dispatch_config(1, 1), {staged({{first.size(), response("one") + request_timeout}}),
                                   staged({{second.size(), response("two")}})});
  const ScriptedClient& client =
      dispatch.add_client(staged({{0, first}, {response("one").size(), second}}, Ending::half_close));
  finish();
  EXPECT_EQ(client.record().received, response("one") + response("two"));
  EXPECT_EQ(received_by_server(0), first);
  EXPECT_EQ(received_by_server(1), second);
}

TEST_F(HttpSessionTest, AServerThatResetsAKeptConnectionCostsTheNextRequestNothing) {
  const std::string first = get("/1");
  const std::string second = get("/2");
  PeerScript dying = staged({{first.size(), response("one")}});
  dying.patience = milliseconds{50};
  DispatchWorld& dispatch = make(dispatch_config(1, 1), {dying, staged({{second.size(), response("two")}})});
  // A part of the next head is there before the reset, the rest comes behind it.
  PeerScript script = staged({{0, first + second.substr(0, 10)}, {response("one").size(), second.substr(10)}},
                             Ending::half_close);
  script.receive_delay = milliseconds{100};
  const ScriptedClient& client = dispatch.add_client(std::move(script));
  finish();
  EXPECT_EQ(client.record().received, response("one") + response("two"));
  EXPECT_EQ(received_by_server(1), second);
}

TEST_F(HttpSessionTest, AnEarlyAnswerOutlivesTheResetOfTheUpload) {
  SimulatedFaults faults = SimulatedFaults::none();
  faults.send_buffer = faults.receive_buffer = 8'192;
  const std::string head = "POST / HTTP/1.1\r\nHost: app0.example\r\nContent-Length: 200000\r\n\r\n";
  PeerScript server = staged({{1, response("no")}});
  server.react = [sent = false](const std::string& received) mutable {
    const bool answers = !received.empty() && !std::exchange(sent, true);
    // It takes a little more, and then no more.
    return Reaction{.send = answers ? response("no") : "",
                    .finished = received.size() > 20'000,
                    .ending = {},
                    .resets = true};
  };
  DispatchWorld& dispatch = make(dispatch_config(1, 1), {server}, faults);
  const ScriptedClient& client = dispatch.add_client(
      {.send = head + std::string(200'000, 'u'), .ending = Ending::wait, .patience = minutes{1}});
  finish();
  EXPECT_EQ(client.record().received, response("no"));
  EXPECT_TRUE(client.record().end_received) << "an end, and no reset that would take the answer back";
  ASSERT_EQ(dispatch.logged().size(), 1U);
  EXPECT_EQ(dispatch.logged()[0].record.outcome, Outcome::ok);
}

TEST_F(HttpSessionTest, AServerThatResetsInsteadOfAnAnswerIsABadGateway) {
  // Before the whole of the request has been taken, and behind it.
  for (const std::size_t taken : {std::size_t{20'000}, std::size_t{0}}) {
    SimulatedFaults faults = SimulatedFaults::none();
    faults.send_buffer = faults.receive_buffer = 8'192;
    const std::string head = "POST / HTTP/1.1\r\nHost: app0.example\r\nContent-Length: 200000\r\n\r\n";
    const std::string request = taken > 0 ? head + std::string(200'000, 'u') : get("/");
    PeerScript server;
    server.react = [wanted = taken > 0 ? taken : request.size()](const std::string& received) {
      return Reaction{.send = "", .finished = received.size() >= wanted, .ending = {}, .resets = true};
    };
    DispatchWorld& dispatch = make(dispatch_config(1, 1), {server}, faults);
    const ScriptedClient& client =
        dispatch.add_client({.send = request, .ending = Ending::wait, .patience = minutes{1}});
    finish();
    EXPECT_TRUE(client.record().received.starts_with("HTTP/1.1 502 ")) << client.record().received;
    ASSERT_EQ(dispatch.logged().size(), 1U);
    EXPECT_EQ(dispatch.logged()[0].record.outcome, Outcome::refused);
  }
}

TEST_F(HttpSessionTest, AnIdleBodyWithoutALengthIsNotEndedAsIfItWereWhole) {
  Config config = dispatch_config(1, 1);
  config.listeners[0].idle_timeout = seconds{10};
  const std::string first = get("/1");
  DispatchWorld& dispatch =
      make(std::move(config), {staged({{first.size(), "HTTP/1.1 200 OK\r\n\r\nthe first half"}})});
  const ScriptedClient& client = dispatch.add_client({.send = first, .ending = Ending::wait});
  finish();
  EXPECT_FALSE(client.record().end_received);
  EXPECT_EQ(client.record().receive_status, Status::reset);
}

TEST_F(HttpSessionTest, ALaterHeadThatDoesNotCompleteIsRefusedInTime) {
  Config config = dispatch_config(1, 1);
  config.listeners[0].first_flight_timeout = seconds{5};
  const std::string first = get("/1");
  DispatchWorld& dispatch = make(std::move(config), {staged({{first.size(), response("one")}})});
  PeerScript script = staged({{0, first}, {response("one").size(), get("/" + std::string(400, 'x'))}});
  script.chunk_max = 2;
  script.send_pause_max = milliseconds{200};
  const ScriptedClient& client = dispatch.add_client(std::move(script));
  finish();
  EXPECT_TRUE(client.record().received.starts_with(response("one") + "HTTP/1.1 408 "));
  EXPECT_EQ(received_by_server(0), first);
  ASSERT_EQ(dispatch.logged().size(), 2U);
  EXPECT_EQ(dispatch.logged()[1].record.outcome, Outcome::timeout);
  EXPECT_EQ(dispatch.logged()[1].record.backend, AccessRecord::none) << "it was routed nowhere";
  EXPECT_EQ(dispatch.logged()[1].name, "");
  EXPECT_GE(dispatch.logged()[1].record.duration, seconds{5});
  EXPECT_LT(dispatch.logged()[1].record.duration, seconds{11}) << "with the time to read the answer";
}

TEST_F(HttpSessionTest, WithoutFirstFlightTimeoutALaterHeadIsOnlyHeldToTheIdleTimeout) {
  Config config = dispatch_config(1, 1);
  config.listeners[0].first_flight_timeout = milliseconds{0};
  config.listeners[0].idle_timeout = milliseconds{500};
  const std::string first = get("/1");
  const std::string second = get("/2");
  DispatchWorld& dispatch =
      make(std::move(config),
           {staged({{first.size(), response("one")}, {first.size() + second.size(), response("two")}})});
  PeerScript script = staged({{0, first}, {response("one").size(), second}}, Ending::half_close);
  script.chunk_max = 1;
  script.send_pause_max = milliseconds{200};
  const ScriptedClient& client = dispatch.add_client(std::move(script));
  finish();
  EXPECT_EQ(client.record().received, response("one") + response("two"));
}

TEST_F(HttpSessionTest, WhatComesBehindTheLastRequestIsNoRequest) {
  const std::string last = get("/1", "Connection: close\r\n");
  DispatchWorld& dispatch = make(dispatch_config(1, 1), {staged({{last.size(), response("one")}})});
  const ScriptedClient& client = dispatch.add_client({.send = last + get("/2"), .patience = minutes{1}});
  finish();
  EXPECT_EQ(client.record().received, response("one"));
  EXPECT_EQ(received_by_server(0), last);
  ASSERT_EQ(dispatch.logged().size(), 1U);
  EXPECT_EQ(dispatch.logged()[0].record.bytes_in, last.size());
}

TEST_F(HttpSessionTest, AnAnswerBeforeTheRequestIsSentLeavesTheCountsAlone) {
  // The server answers at once and takes nothing; the head has grown by what `forwarded` adds.
  Config config = dispatch_config(1, 1);
  config.backends[0].forwarded = true;
  SimulatedFaults faults = SimulatedFaults::none();
  faults.send_buffer = faults.receive_buffer = 16;
  const PeerScript server{.send = response("busy", "Connection: close\r\n"),
                          .reads = false,
                          .ending = Ending::half_close,
                          .patience = minutes{1}};
  DispatchWorld& dispatch = make(std::move(config), {server}, faults);
  const std::string only = get("/1");
  const ScriptedClient& client =
      dispatch.add_client({.send = only, .ending = Ending::wait, .patience = minutes{1}});
  finish();
  EXPECT_EQ(client.record().received, response("busy", "Connection: close\r\n"));
  ASSERT_EQ(dispatch.logged().size(), 1U);
  EXPECT_EQ(dispatch.logged()[0].record.bytes_in, only.size());
}

TEST_F(HttpSessionTest, ADrainWaitsForTheResponseAndNotForAFurtherRequest) {
  const std::string first = get("/1");
  PeerScript slow = staged({{first.size(), response(std::string(100, 'x'))}});
  slow.chunk_max = 10;
  slow.send_pause_max = milliseconds{100};
  DispatchWorld& dispatch = make(dispatch_config(1, 1), {slow});
  const ScriptedClient& client =
      dispatch.add_client({.send = first + get("/2"), .ending = Ending::wait, .patience = minutes{1}});
  ASSERT_TRUE(dispatch.run_until([&] { return !client.record().received.empty(); }, seconds{1}));
  dispatch.drain();
  ASSERT_TRUE(dispatch.run_until([&] { return dispatch.is_drained(); }, seconds{30}));
  finish();
  EXPECT_EQ(client.record().received, response(std::string(100, 'x')));
  EXPECT_TRUE(client.record().end_received);
  EXPECT_EQ(received_by_server(0), first);
}

TEST_F(HttpSessionTest, ADrainEndsAConnectionThatWaitsForARequest) {
  const std::string first = get("/1");
  DispatchWorld& dispatch = make(dispatch_config(1, 1), {staged({{first.size(), response("one")}})});
  const ScriptedClient& client =
      dispatch.add_client({.send = first, .ending = Ending::wait, .patience = minutes{9}});
  (void)dispatch.run_until([] { return false; }, seconds{1});
  EXPECT_FALSE(client.is_done());
  dispatch.drain();
  EXPECT_TRUE(dispatch.run_until([&] { return dispatch.is_drained(); }, milliseconds{10}));
  finish();
  EXPECT_TRUE(client.record().end_received);
  EXPECT_EQ(dispatch.logged().size(), 1U);
}

TEST_F(HttpSessionTest, AServersEndInTheMidstOfAnUpgradeIsPassedOn) {
  SimulatedFaults faults = SimulatedFaults::none();
  faults.cancel_delay_max = faults.latency_max = milliseconds{2};
  for (int step = 0; step < 200; ++step) {
    SCOPED_TRACE("upgrade after " + std::to_string(step * 100) + " us");
    // It keeps the connection open by its words, and closes it.
    DispatchWorld& dispatch = make(
        dispatch_config(1, 1), {staged({{get("/").size(), response("one")}}, Ending::half_close)}, faults);
    PeerScript script{.send = get("/"), .ending = Ending::wait};
    script.patience = minutes{1};
    const ScriptedClient& client = dispatch.add_client(std::move(script));
    const auto moment = dispatch.world().network.now() + std::chrono::microseconds{step * 100};
    dispatch.run_until([&] { return dispatch.world().network.now() >= moment; }, minutes{1});
    dispatch.hand_over();
    finish();
    EXPECT_EQ(client.record().received, response("one"));
    ASSERT_TRUE(client.record().end_received);
  }
}

}  // namespace
}  // namespace portshare
