// The server behind the admin socket and the monitor address, with well-behaved, slow and hostile clients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dispatch/control/http_server.h"
#include "tests/simulation/scripted_client.h"
#include "tests/simulation/seeded_runs.h"
#include "tests/simulation/simulated_world.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const SocketAddress address{.ip = IpEndpoint{IpAddress::v4({127, 0, 0, 1}), 9180}, .unix_path = {}};

std::string get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) + "\r\n";
}

std::string post(std::string_view target, std::string_view body) {
  return "POST " + std::string(target) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

std::string event(std::string_view text) {
  return "data: " + std::string(text) + "\n\n";
}

/// A server that echoes what it was asked, and answers /later and /events when the test says so.
class HttpWorld {
 public:
  explicit HttpWorld(HttpServerOptions options = {}, std::uint64_t seed = 1,
                     const SimulatedFaults& faults = SimulatedFaults::none())
      : world(seed, faults), listener_(world.network.listen(address)) {
    server = std::make_unique<HttpServer>(
        world.loop, listener_, options, [this](const HttpRequest& request, HttpReply reply) {
          ++requests;
          if (request.path == "/later") return later.push_back(reply);
          if (request.path == "/events") return reply.stream(event("first"));
          if (request.path == "/large") return reply.send(text_response(200, std::string(2'000'000, 'x')));
          reply.send(text_response(200, request.method + " " + request.path + " " + request.body));
        });
    server->start();
  }
  ~HttpWorld() {
    bool stopped = false;
    server->stop([&] { stopped = true; });
    EXPECT_TRUE(world.run_until([&] { return stopped; }, minutes{1})) << "the server does not stop";
    server = nullptr;
    for (ScriptedClient& one : clients) one.abort();  // some do not look whether the server is still there
    world.network.close_listener(listener_);
    EXPECT_TRUE(world.run_until([&] { return all_done(); }, minutes{5})) << "a client is left hanging";
    EXPECT_TRUE(world.is_clean());
  }

  ScriptedClient& client(PeerScript script) {
    clients.emplace_back(world.loop, Random(++seeds_), address, std::move(script));
    clients.back().start();
    return clients.back();
  }
  /// Sends that, and waits for the end of the connection, which the last request asks for.
  std::string talk(std::string bytes) {
    ScriptedClient& one = client({.send = std::move(bytes), .ending = PeerScript::Ending::wait});
    EXPECT_TRUE(run_until([&] { return one.is_done(); }, minutes{3}));
    return one.record().received;
  }
  bool run_until(const std::function<bool()>& done, milliseconds longest) {
    return world.run_until(done, longest);
  }
  bool all_done() {
    return std::ranges::all_of(clients, [](const ScriptedClient& one) { return one.is_done(); });
  }

  SimulatedWorld world;
  std::unique_ptr<HttpServer> server;
  std::deque<ScriptedClient> clients;
  std::vector<HttpReply> later;
  std::size_t requests = 0;

 private:
  Socket listener_;
  std::uint64_t seeds_ = 0;
};

constexpr std::string_view close_after = "Connection: close\r\n";

TEST(HttpServer, AnswersARequest) {
  HttpWorld http;
  EXPECT_THAT(http.talk(get("/status?a=b", close_after)),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\nDate: "), HasSubstr("Content-Length: 13\r\n"),
                    HasSubstr("Connection: close\r\n"), EndsWith("\r\n\r\nGET /status \n")));
}

TEST(HttpServer, AnswersRequestAfterRequest) {
  HttpWorld http;
  const std::string answers = http.talk(get("/1") + post("/2", "body") + get("/3", close_after));
  EXPECT_THAT(answers, AllOf(HasSubstr("GET /1 \n"), HasSubstr("POST /2 body\n"), EndsWith("GET /3 \n")));
  EXPECT_EQ(http.requests, 3U);
}

TEST(HttpServer, ReadsBytesAsTheyDrip) {
  HttpWorld http;
  ScriptedClient& client = http.client({.send = post("/drip", "slow") + get("/end", close_after),
                                        .chunk_max = 1,
                                        .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return client.is_done(); }, minutes{1}));
  EXPECT_THAT(client.record().received, AllOf(HasSubstr("POST /drip slow\n"), EndsWith("GET /end \n")));
}

TEST(HttpServer, LeavesTheBodyOutOfAnAnswerToHead) {
  HttpWorld http;
  EXPECT_THAT(http.talk("HEAD /it HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              AllOf(HasSubstr("Content-Length: 9\r\n"), EndsWith("\r\n\r\n")));
}

TEST(HttpServer, DecodesTargets) {
  HttpWorld http;
  EXPECT_THAT(http.talk(get("http://localhost/a%20b%2fc?x", close_after)), EndsWith("GET /a b/c \n"));
  EXPECT_THAT(http.talk(get("/%zz", close_after)), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(http.talk(get("/%f", close_after)), StartsWith("HTTP/1.1 400 "));
}

TEST(HttpServer, AnswersWhenTheHandlerIsReady) {
  HttpWorld http;
  ScriptedClient& client =
      http.client({.send = get("/later") + get("/next", close_after), .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.later.size() == 1; }, seconds{1}));
  EXPECT_FALSE(http.run_until([&] { return client.is_done(); }, minutes{60})) << "it must wait";
  EXPECT_EQ(http.requests, 1U) << "one request after the other";
  http.later[0].send(text_response(200, "at last"));
  ASSERT_TRUE(http.run_until([&] { return client.is_done(); }, seconds{1}));
  EXPECT_THAT(client.record().received, AllOf(HasSubstr("at last\n"), EndsWith("GET /next \n")));
}

TEST(HttpServer, ThrowsAnAnswerAwayWhoseClientHasGone) {
  HttpWorld http;
  ScriptedClient& client = http.client({.send = get("/later"), .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.later.size() == 1; }, seconds{1}));
  EXPECT_TRUE(http.later[0].is_awaited());
  client.abort();
  ASSERT_TRUE(http.run_until([&] { return http.server->connection_count() == 0; }, seconds{1}));
  EXPECT_FALSE(http.later[0].is_awaited());
  http.later[0].send(text_response(200, "to nobody"));
  http.later[0].stream("to nobody");
}

TEST(HttpServer, RefusesWhatIsTooLongOrIllegal) {
  HttpWorld http;
  EXPECT_THAT(http.talk("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(http.talk("\x16\x03\x01hello, this is no HTTP at all\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(http.talk(get("/", "X: " + std::string(20'000, 'x') + "\r\n")), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(http.talk(get("/", "X: " + std::string(2'000'000, 'x'))), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(http.talk(post("/", std::string(65'537, 'x'))), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(http.talk("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 411 "));
  EXPECT_THAT(http.talk(get("/", "Content-Length: 3\r\nExpect: 100-continue\r\n")),
              StartsWith("HTTP/1.1 417 "));
  EXPECT_EQ(http.requests, 0U);
}

TEST(HttpServer, TakesALongBodyThatIsWithinTheLimit) {
  HttpWorld http;
  EXPECT_THAT(http.talk(post("/", std::string(65'536, 'x')) + get("/end", close_after)),
              HasSubstr(std::string(65'536, 'x')));
}

TEST(HttpServer, AnswersOnlyToLocalNamesWhereAStrangersPageCouldAsk) {
  HttpWorld http({.hosts = HostPolicy::local});
  const auto ask = [&](std::string_view host) {
    return http.talk("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\nConnection: close\r\n\r\n");
  };
  EXPECT_THAT(ask("localhost:9180"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("portshare.localhost"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("127.0.0.1:9180"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("[::1]:9180"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("evil.example:9180"), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(ask("localhost.evil.example"), StartsWith("HTTP/1.1 421 "));
}

TEST(HttpServer, ClosesASilentClient) {
  HttpWorld http;
  const ScriptedClient& silent = http.client({.ending = PeerScript::Ending::wait});
  EXPECT_FALSE(http.run_until([&] { return silent.is_done(); }, milliseconds{9'900}));
  EXPECT_TRUE(http.run_until([&] { return silent.is_done(); }, milliseconds{200}));
}

TEST(HttpServer, DrippingDoesNotExtendTheTimeOfARequest) {
  HttpWorld http;
  http.client({.send = get("/", "X: " + std::string(15'000, 'x') + "\r\n"),
               .chunk_max = 1,
               .send_pause_max = seconds{4},
               .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.server->connection_count() == 1; }, seconds{1}));
  EXPECT_TRUE(http.run_until([&] { return http.server->connection_count() == 0; }, milliseconds{10'100}));
}

TEST(HttpServer, ClosesAClientThatDoesNotReadItsAnswer) {
  HttpWorld http;
  const ScriptedClient& deaf =
      http.client({.send = get("/large"), .reads = false, .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.requests == 1; }, seconds{1}));
  EXPECT_FALSE(http.run_until([&] { return http.server->connection_count() == 0; }, milliseconds{19'900}));
  EXPECT_TRUE(http.run_until([&] { return http.server->connection_count() == 0; }, milliseconds{200}));
  EXPECT_FALSE(deaf.record().end_received);
}

TEST(HttpServer, AnIdleConnectionGivesWayToANewOne) {
  HttpWorld http({.most_connections = 2});
  const ScriptedClient& first = http.client({.send = get("/1"), .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.requests == 1; }, seconds{1}));
  const ScriptedClient& second = http.client({.send = get("/later"), .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.later.size() == 1; }, seconds{1}));
  EXPECT_THAT(http.talk(get("/3", close_after)), EndsWith("GET /3 \n"));
  EXPECT_TRUE(first.is_done());
  EXPECT_FALSE(second.is_done());
}

TEST(HttpServer, ClientsThatWatchSayNothingOrReadNothingGiveWayToANewOne) {
  HttpWorld http({.most_connections = 3});
  http.client({.send = get("/events"), .ending = PeerScript::Ending::wait});
  http.client({.send = "GET /sil", .ending = PeerScript::Ending::wait});
  http.client({.send = get("/large"), .reads = false, .ending = PeerScript::Ending::wait});
  for (int i = 0; i < 10; ++i) {
    const ScriptedClient& asks =
        http.client({.send = get("/new", close_after), .ending = PeerScript::Ending::wait});
    ASSERT_TRUE(http.run_until([&] { return asks.is_done(); }, seconds{3})) << i;
    EXPECT_THAT(asks.record().received, EndsWith("GET /new \n"));
    http.client({.send = get("/events"), .ending = PeerScript::Ending::wait});
  }
}

TEST(HttpServer, WhereAllAreBusyANewOneWaits) {
  HttpWorld http({.most_connections = 2});
  for (int i = 0; i < 2; ++i) http.client({.send = get("/later"), .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.later.size() == 2; }, seconds{1}));
  const ScriptedClient& third =
      http.client({.send = get("/3", close_after), .ending = PeerScript::Ending::wait});
  EXPECT_FALSE(http.run_until([&] { return third.is_done(); }, seconds{30}));
  EXPECT_EQ(http.server->connection_count(), 2U);
  http.later[0].send(text_response(200, "done"));
  EXPECT_TRUE(http.run_until([&] { return third.is_done(); }, seconds{1}));
}

TEST(HttpServer, StreamsEvents) {
  HttpWorld http;
  const ScriptedClient& reader = http.client({.send = get("/events"), .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.server->stream_count() == 1; }, seconds{1}));
  for (const std::string text : {"one", "two"}) {
    ASSERT_TRUE(http.run_until([&] { return http.world.loop.pending() <= 4; }, seconds{1}));
    http.run_until([] { return false; }, milliseconds{1});
    http.server->publish(event(text));
  }
  ASSERT_TRUE(http.run_until([&] { return reader.record().received.ends_with(event("two")); }, seconds{1}));
  EXPECT_THAT(reader.record().received,
              AllOf(HasSubstr("Content-Type: text/event-stream\r\n"), Not(HasSubstr("Content-Length")),
                    EndsWith("\r\n\r\n" + event("first") + event("one") + event("two"))));
}

TEST(HttpServer, ASlowReaderMissesEventsAndCostsOne) {
  HttpWorld http;
  const ScriptedClient& slow =
      http.client({.send = get("/events"), .receive_delay = seconds{15}, .ending = PeerScript::Ending::wait});
  const ScriptedClient& quick = http.client({.send = get("/events"), .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.server->stream_count() == 2; }, seconds{1}));
  const std::string large = event(std::string(300'000, 'x'));
  for (int i = 0; i < 10; ++i) {
    http.run_until([] { return false; }, seconds{1});
    http.server->publish(large);
  }
  http.run_until([] { return false; }, seconds{10});
  const auto events = [&](const ScriptedClient& client) {
    return client.record().received.size() / large.size();
  };
  EXPECT_EQ(events(quick), 10U);
  EXPECT_GE(events(slow), 1U);
  EXPECT_LE(events(slow), 3U) << "what the system's buffers hold, and no more";
  EXPECT_EQ(http.server->stream_count(), 2U) << "it has read on in time";
}

TEST(HttpServer, AReaderThatHasStoppedIsClosed) {
  HttpWorld http;
  http.client({.send = get("/events"), .reads = false, .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.server->stream_count() == 1; }, seconds{1}));
  for (int i = 0; i < 100 && http.server->stream_count() == 1; ++i) {
    http.server->publish(event(std::string(100'000, 'x')));
    http.run_until([] { return false; }, seconds{1});
  }
  EXPECT_EQ(http.server->connection_count(), 0U);
}

TEST(HttpServer, AStreamWhoseReaderGoesIsOver) {
  HttpWorld http;
  ScriptedClient& reader = http.client({.send = get("/events"), .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.server->stream_count() == 1; }, seconds{1}));
  http.run_until([] { return false; }, seconds{1});
  reader.abort();
  EXPECT_TRUE(http.run_until([&] { return http.server->connection_count() == 0; }, seconds{1}));
}

TEST(HttpServer, SendsTheAnswerThatIsUnderWayWhenItStops) {
  HttpWorld http;
  const ScriptedClient& client = http.client({.send = get("/large"), .ending = PeerScript::Ending::wait});
  const ScriptedClient& idle = http.client({.send = get("/"), .ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.requests == 2; }, seconds{1}));
  http.run_until([&] { return idle.record().received.ends_with("\n"); }, seconds{1});
  bool stopped = false;
  HttpServer& server = *http.server;
  server.stop([&] { stopped = true; });
  ASSERT_TRUE(http.run_until([&] { return stopped && http.all_done(); }, seconds{30}));
  EXPECT_GT(client.record().received.size(), 2'000'000U);
  EXPECT_EQ(client.record().receive_status, Status::ok);
  // The destructor of the world stops it once more, which is to be another one.
  http.server = std::make_unique<HttpServer>(http.world.loop, Socket::none, HttpServerOptions{}, nullptr);
}

TEST(HttpServer, WhoHasJustComeMayAskWhileItStops) {
  HttpWorld http;
  const ScriptedClient& late = http.client({.send = get("/late"),
                                            .chunk_max = 1,
                                            .send_pause_max = milliseconds{20},
                                            .ending = PeerScript::Ending::wait});
  const ScriptedClient& silent = http.client({.ending = PeerScript::Ending::wait});
  ASSERT_TRUE(http.run_until([&] { return http.server->connection_count() == 2; }, seconds{1}));
  bool stopped = false;
  http.server->stop([&] { stopped = true; });
  EXPECT_EQ(http.requests, 0U) << "it has not asked yet";
  ASSERT_TRUE(http.run_until([&] { return stopped && http.all_done(); }, seconds{30}));
  EXPECT_THAT(late.record().received, AllOf(HasSubstr("Connection: close\r\n"), EndsWith("GET /late \n")));
  EXPECT_EQ(silent.record().received, "");
  // As above.
  http.server = std::make_unique<HttpServer>(http.world.loop, Socket::none, HttpServerOptions{}, nullptr);
}

/// Clients of all kinds at a server with few places, on a network with faults.
class HttpServerRun {
 public:
  HttpServerRun(std::uint64_t seed, bool with_faults)
      : random_(seed),
        http_({.most_connections = 3}, seed,
              with_faults ? SimulatedFaults::draw(random_) : SimulatedFaults::draw_harmless(random_)) {}

  void execute() {
    const std::array asks{get("/1"), post("/2", "body"), get("/events"), get("/later"),
                          std::string("GET / HTTP/1.1\r\n\r\n")};
    for (int i = 0; i < 8; ++i) {
      PeerScript script;
      for (std::uint64_t asked = random_.below(4); asked > 0; --asked) {
        script.send += asks[random_.below(asks.size())];
      }
      script.chunk_max = random_.below(2) == 0 ? 1'000 : 7;
      script.reads = random_.below(8) != 0;
      script.ending = static_cast<PeerScript::Ending>(random_.below(3));
      if (random_.below(4) == 0) script.reset_after_sent = random_.below(60);
      script.patience = minutes{2};
      http_.client(std::move(script));
    }
    for (int i = 0; i < 8; ++i) {
      http_.run_until([&] { return http_.all_done(); }, seconds{random_.below(10)});
      http_.server->publish(event(std::string(random_.below(3'000), 'x')));
      for (const HttpReply& reply : std::exchange(http_.later, {})) reply.send(text_response(200, "done"));
    }
  }

 private:
  Random random_;
  HttpWorld http_;
};

// Whatever the network does, the server comes to its end when it is told to, and nothing is left of it.
TEST(HttpServer, EndsInEverySeededRun) {
  run_seeds<HttpServerRun>(300, false);
}

TEST(HttpServer, EndsInEverySeededRunWithFaults) {
  run_seeds<HttpServerRun>(1'000, true);
}

}  // namespace
}  // namespace portshare
