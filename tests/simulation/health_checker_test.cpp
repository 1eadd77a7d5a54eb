// Health checks of servers that answer by a script, on a simulated network.
#include "dispatch/health_checker.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "core/tls_hello.h"
#include "dispatch/config_reader.h"
#include "dispatch/server_choice.h"
#include "dispatch/server_status.h"
#include "tests/simulation/scripted_server.h"
#include "tests/simulation/simulated_world.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using State = ServerStatus::State;

const std::string fine = "HTTP/1.1 204 No Content\r\n\r\n";

/// Servers 192.0.2.1:80 and 192.0.2.2:80 of the backend "b", and their checks.
class HealthCheckerTest : public testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override {
    checker_.reset();
    for (auto& [host, server] : servers_) server->stop();
    for (auto& server : dead_) server->stop();
    const bool all_stopped = world_.run_until(
        [&] {
          return std::ranges::all_of(servers_,
                                     [](const auto& entry) { return entry.second->is_stopped(); }) &&
                 std::ranges::all_of(dead_, [](const auto& server) { return server->is_stopped(); });
        },
        minutes{60});
    EXPECT_TRUE(all_stopped);
    EXPECT_TRUE(world_.is_clean());
    spdlog::set_level(spdlog::level::info);
  }

  void begin(const std::string& health, const std::string& more = "") { adopt(health, more); }
  void adopt(const std::string& health, const std::string& more = "") {
    ConfigResult read = read_config(
        "listener.l = { bind = [\"*:9\"], default = \"b\" }\n[backend.b]\n"
        "servers = [\"192.0.2.1:80\", \"192.0.2.2:80\"]\n" +
            (health.empty() ? "" : "health = { " + health + " }\n") + more,
        "f");
    for (const Diagnostic& diagnostic : read.diagnostics) ADD_FAILURE() << diagnostic.to_string();
    config_ = std::move(*read.config);
    auto pool = std::make_unique<ServerPool>(*ServerPool::resolve(config_, {}, registry_));
    if (!checker_) checker_ = std::make_unique<HealthChecker>(world_.loop, registry_, Random(5));
    checker_->adopt(config_, *pool);
    pool_ = std::move(pool);
  }
  static SocketAddress address(std::uint8_t host) {
    return {.ip = IpEndpoint{IpAddress::v4({192, 0, 2, host}), 80}, .unix_path = {}};
  }
  void serve(std::uint8_t host, const PeerScript& script) {
    auto& server = servers_[host];
    if (server) {
      server->kill();
      dead_.push_back(std::move(server));
      run_for(milliseconds{1});
    }
    server = std::make_unique<ScriptedServer>(world_.loop, Random(host), world_.network.listen(address(host)),
                                              [script](std::size_t) { return script; });
    server->start();
  }
  void serve_both(const PeerScript& script) {
    serve(1, script);
    serve(2, script);
  }
  static PeerScript answers(const std::string& text) {
    return {.send = text, .send_after = 1, .ending = PeerScript::Ending::half_close, .patience = seconds{30}};
  }
  void die(std::uint8_t host) {
    servers_.at(host)->kill();
    dead_.push_back(std::move(servers_.at(host)));
    servers_.erase(host);
  }
  void run_for(milliseconds time) {
    (void)world_.run_until([] { return false; }, time);
  }
  ServerStatus status(std::size_t server) {
    return status_of(config_, *pool_, world_.loop.now()).at(0).servers.at(server);
  }
  bool becomes(std::size_t server, State state, milliseconds longest) {
    return world_.run_until([&] { return status(server).state == state; }, longest);
  }
  std::size_t seen_by(std::uint8_t host) { return servers_.at(host)->connections().size(); }

  SimulatedWorld world_{7};
  ServerRegistry registry_{1};
  Config config_;
  std::unique_ptr<ServerPool> pool_;
  std::map<std::uint8_t, std::unique_ptr<ScriptedServer>> servers_;
  std::vector<std::unique_ptr<ScriptedServer>> dead_;
  std::unique_ptr<HealthChecker> checker_;
};

TEST_F(HealthCheckerTest, ConnectingIsEnoughForTcp) {
  serve_both({.ending = PeerScript::Ending::wait, .patience = seconds{5}});
  begin("");
  EXPECT_EQ(checker_->size(), 0U);
  adopt("interval = \"2s\"");
  EXPECT_EQ(status(0).state, State::checking);
  EXPECT_TRUE(becomes(0, State::up, milliseconds{200}));
  run_for(seconds{20});
  EXPECT_EQ(status(0).state, State::up);
  EXPECT_GE(status(0).checks, 10U);
  EXPECT_LE(status(0).checks, 12U);
  EXPECT_EQ(status(0).failed_checks, 0U);
  EXPECT_EQ(seen_by(1), status(0).checks);
}

TEST_F(HealthCheckerTest, AServerThatDiesGoesDownAfterFallChecksAndComesBackAfterRise) {
  serve_both(answers(fine));
  begin("kind = \"http\", interval = \"2s\", rise = 2, fall = 3");
  EXPECT_TRUE(becomes(0, State::up, seconds{1}));
  die(1);
  const auto dead_at = world_.loop.now();
  EXPECT_TRUE(becomes(0, State::down, seconds{10}));
  EXPECT_GE(world_.loop.now() - dead_at, milliseconds{3'600}) << "three checks";
  EXPECT_LE(world_.loop.now() - dead_at, milliseconds{6'500});
  EXPECT_EQ(status(0).reason, "connect: connection refused (3 checks failed)");
  EXPECT_EQ(status(1).state, State::up);
  serve(1, answers(fine));
  const auto back_at = world_.loop.now();
  EXPECT_TRUE(becomes(0, State::up, seconds{10}));
  EXPECT_GE(world_.loop.now() - back_at, milliseconds{1'800}) << "two checks";
}

TEST_F(HealthCheckerTest, TheFirstCheckIsBelieved) {
  serve(2, answers(fine));
  begin("kind = \"http\"");
  EXPECT_TRUE(becomes(0, State::down, milliseconds{200}));
  EXPECT_EQ(status(0).checks, 1U);
}

TEST_F(HealthCheckerTest, TheStatusCounts) {
  serve(1, answers("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n"));
  serve(2, answers("HTTP/1.0 200\r\n\r\n"));
  begin("kind = \"http\"");
  EXPECT_TRUE(becomes(0, State::down, seconds{1}));
  EXPECT_EQ(status(0).reason, "HTTP status 301 (1 check failed)");
  EXPECT_TRUE(becomes(1, State::up, seconds{1}));
  adopt("kind = \"http\", expect = \"200-399\"");
  EXPECT_TRUE(becomes(0, State::up, seconds{10})) << "changed by a reload";
}

TEST_F(HealthCheckerTest, TheRequestIsWhole) {
  serve_both(answers(fine));
  begin("kind = \"http\", path = \"/live?deep=1\"");
  EXPECT_TRUE(becomes(0, State::up, seconds{1}));
  EXPECT_TRUE(becomes(1, State::up, seconds{1}));
  EXPECT_EQ(
      servers_.at(1)->connections().at(0)->record().received,
      "GET /live?deep=1 HTTP/1.1\r\nHost: 192.0.2.1:80\r\nUser-Agent: portshare-health\r\nAccept: */*\r\n"
      "Connection: close\r\n\r\n");
}

TEST_F(HealthCheckerTest, AProxyHeaderComesFirstWhereTheServerWantsOne) {
  serve_both(answers(fine));
  begin("kind = \"http\"", "proxy_protocol = \"v1\"\n");
  EXPECT_TRUE(becomes(0, State::up, seconds{1}));
  EXPECT_TRUE(servers_.at(1)->connections().at(0)->record().received.starts_with("PROXY UNKNOWN\r\nGET / "));
}

TEST_F(HealthCheckerTest, WhatIsWrongIsSaid) {
  const std::map<std::string, std::string> reasons{
      {"", "closed without an answer"},
      {"HTTP/1.1 200 OK\r\nContent-", "answer is cut off"},
      {"SSH-2.0-server\r\n\r\n", "the answer is not HTTP"},
      {"HTTP/1.1 503 Busy\r\n\r\n", "HTTP status 503"},
      {"HTTP/1.1 200 OK\r\n" + std::string(70'000, 'x') + "\r\n", "the head of the response is too long"}};
  serve(2, answers(fine));
  for (const auto& [answer, reason] : reasons) {
    serve(1, answers(answer));
    begin("kind = \"http\"");
    EXPECT_TRUE(becomes(0, State::down, seconds{1})) << reason;
    EXPECT_EQ(status(0).reason, reason + " (1 check failed)");
    adopt("");
    EXPECT_EQ(status(0).state, State::up) << "without checks nothing is known against it";
  }
}

TEST_F(HealthCheckerTest, AServerThatIsSilentFailsAtTheTimeout) {
  serve(1, {.ending = PeerScript::Ending::wait, .patience = minutes{1}});
  serve(2, answers(fine));
  begin("kind = \"http\", timeout = \"300ms\"");
  EXPECT_TRUE(becomes(0, State::down, milliseconds{450}));
  EXPECT_EQ(status(0).reason, "no HTTP response in 300 ms (1 check failed)");
  EXPECT_GE(status(0).last_check_duration, milliseconds{300});
}

TEST_F(HealthCheckerTest, ANetworkThatIsSilentFailsAtTheTimeout) {
  serve_both(answers(fine));
  world_.network.set_reach(address(1), SimulatedNetwork::Reach::silent);
  begin("timeout = \"300ms\"");
  EXPECT_TRUE(becomes(0, State::down, milliseconds{450}));
  EXPECT_EQ(status(0).reason, "connect: no answer in 300 ms (1 check failed)");
}

TEST_F(HealthCheckerTest, TlsWantsAServerHello) {
  const std::string server_hello("\x16\x03\x03\x00\x04\x02\x00\x00\x00", 9);
  const std::string alert("\x15\x03\x03\x00\x02\x02\x28", 7);
  PeerScript script = answers(server_hello);
  script.send_after = 192;  // the length of a hello without a name
  serve(1, script);
  serve(2, answers(alert));
  begin("kind = \"tls\"");
  EXPECT_TRUE(becomes(0, State::up, seconds{1}));
  EXPECT_TRUE(becomes(1, State::down, seconds{1}));
  EXPECT_EQ(status(1).reason, "TLS alert 40 (1 check failed)");
  const std::string& hello = servers_.at(1)->connections().at(0)->record().received;
  TlsHelloReader reader;
  ClientHello read;
  EXPECT_EQ(reader.read({reinterpret_cast<const std::uint8_t*>(hello.data()), hello.size()}, read),
            Verdict::recognised);
  serve(2, answers(fine));
  EXPECT_TRUE(
      world_.run_until([&] { return status(1).reason.starts_with("the answer is not TLS"); }, seconds{10}));
}

TEST_F(HealthCheckerTest, AConnectThatFailsBringsTheCheckForward) {
  serve_both(answers(fine));
  begin("kind = \"http\", interval = \"1h\", fall = 2");
  EXPECT_TRUE(becomes(0, State::up, seconds{1}));
  run_for(seconds{1});
  die(1);
  ServerChoice choice(*pool_, 0);
  choice.connect_failed(0, 0, Status::refused, world_.loop.now());
  EXPECT_TRUE(becomes(0, State::down, milliseconds{10})) << "it was looked at, at once";
}

TEST_F(HealthCheckerTest, ForwardChecksKeepAPause) {
  serve_both(answers(fine));
  begin("kind = \"http\", interval = \"1h\", fall = 100");
  EXPECT_TRUE(becomes(0, State::up, seconds{1}));
  ServerChoice choice(*pool_, 0);
  for (int i = 0; i < 100; ++i) {
    choice.connect_failed(0, 0, Status::refused, world_.loop.now());
    run_for(milliseconds{10});
  }
  EXPECT_GE(seen_by(1), 8U);
  EXPECT_LE(seen_by(1), 12U);
}

TEST_F(HealthCheckerTest, DisabledServersAreLeftAlone) {
  serve_both(answers(fine));
  begin("kind = \"http\"");
  EXPECT_TRUE(becomes(0, State::up, seconds{1}));
  pool_->servers(0)[0].state->set_mode(ServerState::Mode::disabled, world_.loop.now());
  const std::size_t before = seen_by(1);
  run_for(seconds{20});
  EXPECT_LE(seen_by(1), before + 1);
  pool_->servers(0)[0].state->set_mode(ServerState::Mode::draining, world_.loop.now());
  run_for(seconds{20});
  EXPECT_GT(seen_by(1), before + 5);
}

TEST_F(HealthCheckerTest, OurOwnShortageSaysNothingAboutAServer) {
  serve_both(answers(fine));
  begin("kind = \"http\"");
  EXPECT_TRUE(becomes(0, State::up, seconds{1}));
  SimulatedFaults faults = SimulatedFaults::none();
  faults.no_descriptors = 1000;
  world_.network.set_faults(faults);
  const std::uint64_t before = status(0).checks;
  run_for(seconds{30});
  EXPECT_EQ(status(0).state, State::up);
  EXPECT_LE(status(0).checks, before + 1);
  world_.network.set_faults(SimulatedFaults::none());
  EXPECT_TRUE(world_.run_until([&] { return status(0).checks > before + 3; }, seconds{20}));
}

TEST_F(HealthCheckerTest, ReloadsKeepWhatIsKnown) {
  serve(2, answers(fine));
  begin("kind = \"http\"");
  EXPECT_TRUE(becomes(0, State::down, seconds{1}));
  EXPECT_TRUE(becomes(1, State::up, seconds{1}));
  const std::uint64_t checks = status(0).checks;
  adopt("kind = \"http\", timeout = \"900ms\"", "max_connections = 5\n");
  EXPECT_EQ(status(0).state, State::down);
  EXPECT_EQ(status(0).checks, checks);
  EXPECT_TRUE(world_.run_until([&] { return status(0).checks > checks; }, seconds{3}));
}

// Whatever the network does, the checker goes on, leaves nothing behind, and finds out in the end.
TEST_F(HealthCheckerTest, FaultsPass) {
  serve_both(answers(fine));
  begin("kind = \"http\", interval = \"200ms\", timeout = \"100ms\"");
  Random random(11);
  for (int round = 0; round < 200; ++round) {
    world_.network.set_faults(SimulatedFaults::draw(random));
    run_for(seconds{3});
  }
  world_.network.set_faults(SimulatedFaults::none());
  EXPECT_TRUE(becomes(0, State::up, seconds{5}));
  EXPECT_TRUE(becomes(1, State::up, seconds{5}));
  EXPECT_GT(status(0).checks, 500U);
}

}  // namespace
}  // namespace portshare
