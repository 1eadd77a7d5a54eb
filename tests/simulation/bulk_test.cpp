// Bulk through sessions: large enough to go through pipes, with and without them, and broken off everywhere.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "tests/simulation/dispatch_world.h"
#include "tests/simulation/seeded_runs.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Ending = PeerScript::Ending;
using Reaction = PeerScript::Reaction;

constexpr std::size_t megabyte = 1'000'000;
const std::string ssh_flight = "SSH-2.0-bulk\r\n";

std::string bulk(std::uint64_t seed, std::size_t size) {
  Random random(seed);
  return random_bytes(random, size);
}

std::string chunked(const std::string& body, std::size_t chunk) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (std::size_t at = 0; at < body.size(); at += chunk) {
    const std::string data = body.substr(at, chunk);
    std::string size;
    for (std::size_t rest = data.size(); rest > 0; rest /= 16) size.insert(size.begin(), digits[rest % 16]);
    text.append(size).append("\r\n").append(data).append("\r\n");
  }
  return text + "0\r\n\r\n";
}

std::string request(const std::string& host, const std::string& fields = "") {
  return "POST / HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n";
}
std::string length_field(std::size_t length) {
  return "Content-Length: " + std::to_string(length) + "\r\n";
}

/// Per mille of the bulk receives that find no pipe.
class BulkSessionTest : public testing::TestWithParam<std::uint32_t> {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  /// A network that moves much at a time.
  static SimulatedFaults faults() {
    SimulatedFaults faults = SimulatedFaults::none();
    faults.no_pipes = GetParam();
    return faults;
  }
  DispatchWorld& make(const DispatchWorld::ServerScripts& scripts, Config config = dispatch_config(2, 1),
                      const SimulatedFaults& faults = BulkSessionTest::faults()) {
    world_ = std::make_unique<DispatchWorld>(1, faults, std::move(config), scripts);
    return *world_;
  }
  /// For one server that does the same each time.
  DispatchWorld& make(const PeerScript& script) {
    return make([script](std::size_t, std::size_t, std::size_t) { return script; });
  }
  const PeerRecord& at_server(std::size_t backend, std::size_t connection = 0) {
    return world_->server(backend, 0).connections().at(connection)->record();
  }
  /// Says `answer` once so many bytes have come, and waits for the client's end.
  static PeerScript answering(std::size_t after, std::string answer, Ending ending = Ending::wait) {
    PeerScript script{.ending = ending, .patience = minutes{30}};
    script.react = [=](const std::string& received) mutable {
      Reaction reaction{.finished = received.size() >= after};
      if (reaction.finished) reaction.send = std::exchange(answer, "");
      return reaction;
    };
    return script;
  }
  void expect_outcome(Outcome outcome, std::size_t line = 0) {
    ASSERT_GT(world_->logged().size(), line);
    EXPECT_EQ(to_string(world_->logged()[line].record.outcome), to_string(outcome));
  }

  std::unique_ptr<DispatchWorld> world_;
};

INSTANTIATE_TEST_SUITE_P(Pipes, BulkSessionTest, testing::Values(0, 500, 1000), [](const auto& faults) {
  return faults.param == 0 ? "Always" : faults.param == 1000 ? "Never" : "Sometimes";
});

TEST_P(BulkSessionTest, BothDirectionsArriveAsTheyWereSent) {
  const std::string up = ssh_flight + bulk(1, 3 * megabyte);
  const std::string down = bulk(2, 2 * megabyte);
  DispatchWorld& dispatch = make(PeerScript{.send = down});
  const ScriptedClient& client = dispatch.add_client({.send = up});
  run_to_the_end(dispatch);
  EXPECT_TRUE(at_server(0).received == up);
  EXPECT_TRUE(client.record().received == down);
  EXPECT_TRUE(client.record().end_received && at_server(0).end_received);
  expect_outcome(Outcome::ok);
  EXPECT_EQ(dispatch.logged()[0].record.bytes_in, up.size());
  EXPECT_EQ(dispatch.logged()[0].record.bytes_out, down.size());
}

TEST_P(BulkSessionTest, GoesThroughPipesWhereThereAreAny) {
  DispatchWorld& dispatch = make(PeerScript{.send = bulk(2, 2 * megabyte)});
  dispatch.add_client({.send = ssh_flight});
  run_to_the_end(dispatch);
  const auto& backend = static_cast<const SimulatedBackend&>(dispatch.world().loop.backend());
  EXPECT_EQ(backend.pipes_brought() > 0, GetParam() < 1000);
  // Nearly all of it, and in few pieces.
  if (GetParam() == 0) {
    EXPECT_GT(backend.pipes_brought(), 5U);
    EXPECT_LT(backend.pipes_brought(), 100U);
  }
}

TEST_P(BulkSessionTest, AnEndOfOneDirectionLeavesTheOtherOne) {
  const std::string up = ssh_flight + bulk(1, megabyte);
  const std::string down = bulk(2, megabyte);
  DispatchWorld& dispatch = make(PeerScript{.send = down, .send_after_end = true});
  const ScriptedClient& client = dispatch.add_client({.send = up});
  run_to_the_end(dispatch);
  EXPECT_TRUE(at_server(0).received == up);
  EXPECT_TRUE(client.record().received == down);
  expect_outcome(Outcome::ok);
}

TEST_P(BulkSessionTest, ResetsInTheMiddleLeaveNothingBehind) {
  const std::string up = ssh_flight + bulk(1, 2 * megabyte);
  const std::string down = bulk(2, 2 * megabyte);
  for (std::size_t moment = 200'000; moment < 2 * megabyte; moment += 300'007) {
    for (int who = 0; who < 4; ++who) {
      PeerScript server{.send = down};
      PeerScript client{.send = up};
      PeerScript& script = who % 2 == 0 ? client : server;
      (who < 2 ? script.reset_after_sent : script.reset_after_received) = moment;
      DispatchWorld& dispatch = make(server);
      const ScriptedClient& at_client = dispatch.add_client(client);
      run_to_the_end(dispatch);
      EXPECT_TRUE(up.starts_with(at_server(0).received));
      EXPECT_TRUE(down.starts_with(at_client.record().received));
      expect_outcome(who % 2 == 0 ? Outcome::client_reset : Outcome::server_reset);
    }
  }
}

TEST_P(BulkSessionTest, AnIdleTimeoutFindsBytesInAPipe) {
  Config config = dispatch_config(1, 1);
  config.listeners[0].idle_timeout = seconds{10};
  const std::string down = bulk(2, 5 * megabyte);
  DispatchWorld& dispatch = make(
      [&](std::size_t, std::size_t, std::size_t) {
        return PeerScript{.send = down, .ending = Ending::wait, .patience = minutes{5}};
      },
      std::move(config));
  PeerScript client{.send = ssh_flight, .ending = Ending::wait, .patience = minutes{5}};
  client.receive_delay = minutes{1};
  const ScriptedClient& at_client = dispatch.add_client(std::move(client));
  run_to_the_end(dispatch);
  expect_outcome(Outcome::idle);
  EXPECT_FALSE(at_client.record().end_received && at_client.record().send_status == Status::ok &&
               at_client.record().received.size() < down.size())
      << "what was cut off does not end in order";
  EXPECT_TRUE(down.starts_with(at_client.record().received));
}

TEST_P(BulkSessionTest, ALateReaderGetsEverything) {
  const std::string down = bulk(2, 4 * megabyte);
  DispatchWorld& dispatch = make(PeerScript{.send = down});
  PeerScript client{.send = ssh_flight, .receive_delay = seconds{30}};
  client.receive_pause_max = milliseconds{3};
  const ScriptedClient& at_client = dispatch.add_client(std::move(client));
  run_to_the_end(dispatch);
  EXPECT_TRUE(at_client.record().received == down);
}

TEST_P(BulkSessionTest, ADrainLetsItComeToItsEnd) {
  const std::string up = ssh_flight + bulk(1, 3 * megabyte);
  DispatchWorld& dispatch = make(PeerScript{.send = bulk(2, 3 * megabyte)});
  dispatch.add_client({.send = up});
  const auto half = [&] {
    return !dispatch.server(0, 0).connections().empty() && at_server(0).received.size() > megabyte;
  };
  ASSERT_TRUE(dispatch.run_until(half, minutes{1}));
  dispatch.drain();
  run_to_the_end(dispatch);
  EXPECT_TRUE(at_server(0).received == up);
  expect_outcome(Outcome::ok);
}

TEST_P(BulkSessionTest, AnEndOfTheProgramInTheMiddleLeavesNothingBehind) {
  for (std::size_t moment = 100'000; moment < 2 * megabyte; moment += 130'003) {
    DispatchWorld& dispatch = make(PeerScript{.send = bulk(2, 2 * megabyte)});
    dispatch.add_client({.send = ssh_flight + bulk(1, 2 * megabyte)});
    const auto is_reached = [&] {
      return !dispatch.server(0, 0).connections().empty() && at_server(0).received.size() >= moment;
    };
    ASSERT_TRUE(dispatch.run_until(is_reached, minutes{1}));
    dispatch.worker().terminate_all();
    run_to_the_end(dispatch);
    expect_outcome(Outcome::shutdown);
  }
}

// --- HTTP.

TEST_P(BulkSessionTest, ALargeUploadIsFollowedByARequestForAnotherBackend) {
  const std::string body = bulk(1, 2 * megabyte);
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  for (const bool is_chunked : {false, true}) {
    const std::string first =
        is_chunked ? request("app0.example", "Transfer-Encoding: chunked\r\n") + chunked(body, 300'000)
                   : request("app0.example", length_field(body.size())) + body;
    const std::string second = request("app1.example", length_field(5)) + "hello";
    DispatchWorld& dispatch = make([&](std::size_t backend, std::size_t, std::size_t) {
      return answering(backend == 0 ? first.size() : second.size(), ok);
    });
    // Behind one another, without a pause.
    const ScriptedClient& client = dispatch.add_client({.send = first + second});
    run_to_the_end(dispatch);
    EXPECT_TRUE(at_server(0).received == first);
    EXPECT_EQ(at_server(1).received, second);
    EXPECT_EQ(client.record().received, ok + ok);
    expect_outcome(Outcome::ok, 0);
    expect_outcome(Outcome::ok, 1);
    EXPECT_EQ(dispatch.logged()[0].record.bytes_in, first.size());
  }
}

TEST_P(BulkSessionTest, ALargeResponseIsFollowedByARequestForAnotherBackend) {
  const std::string body = bulk(1, 2 * megabyte);
  const std::string first = request("app0.example", length_field(0));
  const std::string second = request("app1.example", length_field(0));
  const std::string small = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  for (const bool is_chunked : {false, true}) {
    const std::string large =
        is_chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, 700'001)
                   : "HTTP/1.1 200 OK\r\n" + length_field(body.size()) + "\r\n" + body;
    DispatchWorld& dispatch = make([&](std::size_t backend, std::size_t, std::size_t) {
      return backend == 0 ? answering(first.size(), large) : answering(second.size(), small);
    });
    PeerScript script;
    script.react = [&, asked = 0](const std::string& received) mutable {
      Reaction reaction;
      if (asked == 0) reaction.send = first;
      if (asked == 1 && received.size() >= large.size()) reaction.send = second;
      asked += !reaction.send.empty();
      reaction.finished = received.size() >= large.size() + small.size();
      return reaction;
    };
    const ScriptedClient& client = dispatch.add_client(std::move(script));
    run_to_the_end(dispatch);
    EXPECT_TRUE(client.record().received == large + small);
    EXPECT_EQ(at_server(0).received, first);
    EXPECT_EQ(at_server(1).received, second);
    expect_outcome(Outcome::ok, 0);
    expect_outcome(Outcome::ok, 1);
    EXPECT_EQ(dispatch.logged()[0].record.bytes_out, large.size());
  }
}

TEST_P(BulkSessionTest, WhatStandsBehindALargeResponseIsNotPassedOn) {
  const std::string large = "HTTP/1.1 200 OK\r\n" + length_field(megabyte) + "\r\n" + bulk(1, megabyte);
  const std::string first = request("app0.example", length_field(0));
  DispatchWorld& dispatch = make(answering(first.size(), large + "HTTP/1.1 200 OK\r\n\r\nnot asked for"));
  const ScriptedClient& client = dispatch.add_client({.send = first});
  run_to_the_end(dispatch);
  EXPECT_TRUE(client.record().received == large);
}

TEST_P(BulkSessionTest, AResponseUntilTheConnectionCloses) {
  const std::string large = "HTTP/1.1 200 OK\r\n\r\n" + bulk(1, 2 * megabyte);
  const std::string first = request("app0.example", length_field(0));
  for (const bool is_reset : {false, true}) {
    PeerScript server = answering(first.size(), large, Ending::half_close);
    if (is_reset) server.reset_after_sent = large.size() - 100'000;
    DispatchWorld& dispatch = make(server);
    const ScriptedClient& client = dispatch.add_client({.send = first, .ending = Ending::wait});
    run_to_the_end(dispatch);
    const PeerRecord& record = client.record();
    EXPECT_TRUE(large.starts_with(record.received));
    EXPECT_EQ(record.end_received && record.send_status == Status::ok, !is_reset)
        << "only a whole response ends in order";
    if (!is_reset) {
      EXPECT_EQ(record.received.size(), large.size());
    }
  }
}

TEST_P(BulkSessionTest, ABodyThatIsCutOffIsNotWhole) {
  const std::string head = "HTTP/1.1 200 OK\r\n" + length_field(2 * megabyte) + "\r\n";
  const std::string first = request("app0.example", length_field(0));
  for (const std::size_t missing : {std::size_t{1}, std::size_t{1'000'000}}) {
    const std::string cut = head + bulk(1, 2 * megabyte - missing);
    DispatchWorld& dispatch = make(answering(first.size(), cut, Ending::half_close));
    const ScriptedClient& client = dispatch.add_client({.send = first, .ending = Ending::wait});
    run_to_the_end(dispatch);
    EXPECT_TRUE(cut.starts_with(client.record().received));
    EXPECT_TRUE(client.is_done());
  }
}

TEST_P(BulkSessionTest, AMalformedChunkBehindALargeOneIsNotPassedOn) {
  const std::string head = request("app0.example", "Transfer-Encoding: chunked\r\n");
  const std::string legal = head + "f4240\r\n" + bulk(1, megabyte) + "\r\n";
  for (const std::string broken : {"zz\r\n", "1\r\nabc", "-1\r\n"}) {
    DispatchWorld& dispatch = make(PeerScript{.ending = Ending::wait, .patience = minutes{10}});
    dispatch.add_client({.send = legal + broken + "POST / HTTP/1.1\r\nHost: app1.example\r\n\r\n",
                         .ending = Ending::wait,
                         .patience = minutes{10}});
    run_to_the_end(dispatch);
    // A legal size line, and the data that it announces, belong to the body.
    const std::size_t most = legal.size() + (broken.front() == '1' ? 4 : 0);
    EXPECT_TRUE((legal + broken).starts_with(at_server(0).received));
    EXPECT_LE(at_server(0).received.size(), most);
    EXPECT_TRUE(world_->server(1, 0).connections().empty());
  }
}

TEST_P(BulkSessionTest, ATunnelCarriesBulkBothWays) {
  const std::string up = bulk(1, 2 * megabyte);
  const std::string down = bulk(2, 2 * megabyte);
  const std::string first = request("app0.example", "Connection: Upgrade\r\nUpgrade: bulk\r\n");
  const std::string switched =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: bulk\r\n\r\n";
  DispatchWorld& dispatch = make(answering(first.size(), switched + down, Ending::half_close));
  PeerScript script{.ending = Ending::half_close};
  script.react = [&, stage = 0](const std::string& received) mutable {
    Reaction reaction;
    if (stage == 0) {
      stage = 1;
      reaction.send = first;
    } else if (stage == 1 && received.size() >= switched.size()) {
      stage = 2;
      reaction = {.send = up, .finished = true};
    }
    return reaction;
  };
  const ScriptedClient& client = dispatch.add_client(std::move(script));
  run_to_the_end(dispatch);
  EXPECT_TRUE(at_server(0).received == first + up);
  EXPECT_TRUE(client.record().received == switched + down);
}

// --- Over many seeds.

/// A few large transfers at once, on any network that moves much at a time.
class BulkRun {
 public:
  BulkRun(std::uint64_t seed, bool faulty)
      : faulty_(faulty),
        random_(seed),
        down_(bulk(seed, random_.below(megabyte))),
        dispatch_(seed, draw_faults(), draw_config(), [this](std::size_t, std::size_t, std::size_t) {
          PeerScript script{.send = down_, .patience = faulty_ ? minutes{30} : minutes{600}};
          if (random_.chance(1, 3)) script.receive_pause_max = milliseconds{2};
          if (faulty_ && random_.chance(1, 3)) script.reset_after_sent = random_.below(down_.size() + 1);
          if (faulty_ && random_.chance(1, 3)) script.reset_after_received = 1 + random_.below(megabyte);
          return script;
        }) {}

  void execute() {
    spdlog::set_level(spdlog::level::off);
    for (auto count = 1 + random_.below(3); count > 0; --count) {
      sent_.push_back(ssh_flight + bulk(random_.next(), random_.below(megabyte)));
      PeerScript script{.send = sent_.back(), .patience = faulty_ ? minutes{30} : minutes{600}};
      if (random_.chance(1, 3)) script.receive_pause_max = milliseconds{2};
      if (faulty_ && random_.chance(1, 4)) script.reset_after_sent = random_.below(sent_.back().size());
      if (faulty_ && random_.chance(1, 4)) script.receive_delay = seconds{30};
      dispatch_.add_client(std::move(script));
    }
    if (faulty_ && random_.chance(1, 3)) {
      const auto moment = dispatch_.world().network.now() + milliseconds{random_.below(100)};
      dispatch_.run_until([&] { return dispatch_.world().network.now() >= moment; }, minutes{1});
      dispatch_.drain();
      if (random_.chance(1, 2)) dispatch_.worker().terminate_all();
    }
    ASSERT_NO_FATAL_FAILURE(run_to_the_end(dispatch_));
    for (const ScriptedClient& client : dispatch_.clients()) {
      EXPECT_TRUE(down_.starts_with(client.record().received));
      if (!faulty_) {
        EXPECT_EQ(client.record().received.size(), down_.size());
      }
    }
    for (const auto& connection : dispatch_.server(0, 0).connections()) {
      const std::string& received = connection->record().received;
      EXPECT_TRUE(std::ranges::any_of(sent_, [&](const std::string& sent) {
        return faulty_ ? sent.starts_with(received) : sent == received;
      }));
    }
  }

 private:
  SimulatedFaults draw_faults() {
    SimulatedFaults faults =
        faulty_ ? SimulatedFaults::draw(random_) : SimulatedFaults::draw_harmless(random_);
    for (std::size_t* size : {&faults.send_buffer, &faults.receive_buffer, &faults.chunk_max})
      *size = std::max(*size, std::size_t{32'768});
    faults.partial_receive = static_cast<std::uint32_t>(random_.below(30));  // bulk shows in full buffers
    faults.reset = std::min(faults.reset, 20U);
    return faults;
  }
  Config draw_config() {
    Config config = dispatch_config(1, 1);
    if (faulty_ && random_.chance(1, 2)) config.listeners[0].idle_timeout = seconds{10};
    return config;
  }

  const bool faulty_;
  Random random_;
  const std::string down_;
  std::vector<std::string> sent_;
  DispatchWorld dispatch_;
};

TEST(BulkRunsTest, EverythingArrivesOnAHealthyNetwork) {
  run_seeds<BulkRun>(60, false);
}

TEST(BulkRunsTest, FaultsNeverMixTruncateOrLeak) {
  run_seeds<BulkRun>(200, true);
}

}  // namespace
}  // namespace portshare
