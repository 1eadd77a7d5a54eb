// Sessions whose streams end with their last bytes: what is merged, and what must not be. Every situation is
// run with ends that are announced and with ends that come by themselves.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
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

const std::string get = "GET / HTTP/1.1\r\nHost: app0.example\r\n\r\n";
const std::string post_head = "POST / HTTP/1.1\r\nHost: app0.example\r\nContent-Length: ";
const std::string closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
const std::string keeping = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

class EarlyEndTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  static SimulatedFaults faults() {
    SimulatedFaults faults = SimulatedFaults::none();
    faults.end_announced = GetParam() ? 1000 : 0;
    return faults;
  }
  static SimulatedFaults small_buffers(std::size_t size) {
    SimulatedFaults small = faults();
    small.send_buffer = small.receive_buffer = size;
    return small;
  }
  /// One client and one server to the end of both; the record of the client.
  const PeerRecord& run(PeerScript client, const PeerScript& server, const SimulatedFaults& faults) {
    client.patience = minutes{5};
    world_ =
        std::make_unique<DispatchWorld>(seed_, faults, dispatch_config(1, 1),
                                        [server](std::size_t, std::size_t, std::size_t) { return server; });
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* log = ::open_memstream(&text, &size);
    world_->world().network.log_to(log);
    world_->add_client(std::move(client));
    EXPECT_TRUE(world_->run_until([&] { return world_->clients()[0].is_done(); }, minutes{10}));
    EXPECT_TRUE(world_->stop(minutes{1}));
    EXPECT_TRUE(world_->world().is_clean());
    world_->world().network.log_to(nullptr);
    EXPECT_EQ(std::fclose(log), 0);
    log_.assign(text, size);
    std::free(text);  // NOLINT(cppcoreguidelines-no-malloc): it is open_memstream's
    return world_->clients()[0].record();
  }
  const PeerRecord& run(PeerScript client, const PeerScript& server) {
    return run(std::move(client), server, faults());
  }
  /// Where neither script half-closes: how often the session had to send an end by itself.
  [[nodiscard]] std::size_t shutdowns() const {
    std::size_t count = 0;
    for (auto at = log_.find("shutdown"); at != std::string::npos; at = log_.find("shutdown", at + 1))
      ++count;
    return count;
  }
  [[nodiscard]] const std::string& received_by_server() {
    return world_->server(0, 0).connections().at(0)->record().received;
  }
  [[nodiscard]] std::size_t connections() { return world_->server(0, 0).connections().size(); }
  void expect_one_line(Outcome outcome) {
    ASSERT_EQ(world_->logged().size(), 1U);
    EXPECT_EQ(to_string(world_->logged()[0].record.outcome), to_string(outcome));
  }

  /// Answers a whole request, and then closes, or waits for the end.
  static PeerScript answering(const std::string& request, const std::string& answer,
                              Ending ending = Ending::close) {
    return {.send = answer, .send_after = request.size(), .ending = ending, .patience = minutes{2}};
  }
  static PeerScript asking(const std::string& request) { return {.send = request, .ending = Ending::wait}; }

  /// Runs that differ in how the bytes travel.
  void for_each_seed(const std::function<void()>& test) {
    for (seed_ = 1; seed_ <= 100 && !HasFailure(); ++seed_) {
      SCOPED_TRACE("seed " + std::to_string(seed_));
      test();
    }
  }

  std::uint64_t seed_ = 1;
  std::unique_ptr<DispatchWorld> world_;
  std::string log_;
};
INSTANTIATE_TEST_SUITE_P(Ends, EarlyEndTest, testing::Bool(), [](const auto& announced) {
  return announced.param ? "announced" : "by_themselves";
});

// --- HTTP/1.

TEST_P(EarlyEndTest, TheEndGoesWithAResponseBehindWhichTheConnectionCloses) {
  for (const Ending ending : {Ending::close, Ending::wait}) {
    const PeerRecord& client = run(asking(get), answering(get, closing, ending));
    EXPECT_EQ(client.received, closing);
    EXPECT_TRUE(client.end_received);
    EXPECT_EQ(shutdowns(), 0U);
    EXPECT_EQ(received_by_server(), get);
    expect_one_line(Outcome::ok);
  }
}

TEST_P(EarlyEndTest, AResponseInPiecesEndsBehindTheLastOne) {
  PeerScript server = answering(get, closing);
  server.chunk_max = 3;
  server.send_pause_max = milliseconds{5};
  const PeerRecord& client = run(asking(get), server, small_buffers(7));
  EXPECT_EQ(client.received, closing);
  EXPECT_TRUE(client.end_received);
}

TEST_P(EarlyEndTest, AKeptConnectionThatTheServerClosesAtOnce) {
  const PeerRecord& client = run(asking(get), answering(get, keeping));
  EXPECT_EQ(client.received, keeping);
  EXPECT_TRUE(client.end_received);
  expect_one_line(Outcome::ok);
}

TEST_P(EarlyEndTest, AnAnnouncedEndSparesTheNextRequestAServerThatIsGone) {
  // The end of the first server's stream is there before its response has gone to the client.
  const std::string body(20'000, 'b');
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + body;
  PeerScript client = asking(get + get);
  client.receive_delay = seconds{1};
  const PeerRecord& record = run(client, answering(get, answer), small_buffers(8'192));
  EXPECT_TRUE(record.received.starts_with(answer));
  EXPECT_TRUE(record.end_received);
  if (!GetParam()) return;  // the request may go to the server that is gone, and the client has to repeat it
  EXPECT_EQ(record.received.size(), 2 * answer.size());
  EXPECT_EQ(connections(), 2U);
}

TEST_P(EarlyEndTest, ABodyUpToTheEndOfTheStream) {
  const std::string answer = "HTTP/1.1 200 OK\r\n\r\nuntil the end";
  const PeerRecord& client = run(asking(get), answering(get, answer));
  EXPECT_EQ(client.received, answer);
  EXPECT_TRUE(client.end_received);
  expect_one_line(Outcome::ok);
}

TEST_P(EarlyEndTest, AResponseToHeadIsItsHead) {
  const std::string head = "HEAD / HTTP/1.1\r\nHost: app0.example\r\n\r\n";
  const std::string answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n";
  const PeerRecord& client = run(asking(head), answering(head, answer));
  EXPECT_EQ(client.received, answer);
  EXPECT_TRUE(client.end_received);
  EXPECT_EQ(shutdowns(), 0U);
  expect_one_line(Outcome::ok);
}

TEST_P(EarlyEndTest, AnInterimResponseEndsNothing) {
  const std::string proceed = "HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n";
  const std::string head = post_head + "4\r\nExpect: 100-continue\r\n\r\n";
  PeerScript server{.patience = minutes{2}};
  server.react = [&, said = 0](const std::string& received) mutable {
    Reaction reaction{.send = "", .finished = false, .ending = Ending::close};
    if (said == 0 && received.size() >= head.size()) reaction.send += (said = 1, proceed);
    if (said == 1 && received.size() >= head.size() + 4) reaction.send += (said = 2, closing);
    reaction.finished = said == 2;
    return reaction;
  };
  PeerScript client{.ending = Ending::wait};
  client.react = [&, stage = 0](const std::string& received) mutable {
    if (stage == 0) return stage = 1, Reaction{.send = head};
    if (received.size() < proceed.size()) return Reaction{};
    return Reaction{.send = std::exchange(stage, 2) == 1 ? "body" : "", .finished = true};
  };
  const PeerRecord& staged = run(client, server);
  EXPECT_EQ(staged.received, proceed + closing);
  EXPECT_TRUE(staged.end_received);
  EXPECT_EQ(received_by_server(), head + "body");

  // And both in one piece.
  const PeerRecord& at_once = run(asking(head + "body"), answering(head + "body", proceed + closing));
  EXPECT_EQ(at_once.received, proceed + closing);
  EXPECT_TRUE(at_once.end_received);
  EXPECT_EQ(shutdowns(), 0U);
}

TEST_P(EarlyEndTest, AnEarlyAnswerThatClosesReachesAClientThatStillSends) {
  const std::string upload = post_head + "100000\r\n\r\n" + std::string(100'000, 'u');
  // The server closes with most of the request unread, or reads on.
  for (const bool reads : {false, true}) {
    const PeerScript server{.send = closing,
                            .send_after = reads ? std::size_t{100} : std::size_t{0},
                            .reads = reads,
                            .ending = reads ? Ending::wait : Ending::half_close,
                            .patience = minutes{1}};
    const PeerRecord& client = run(asking(upload), server, small_buffers(8'192));
    EXPECT_EQ(client.received, closing);
    EXPECT_TRUE(client.end_received) << "and no reset that would take the answer back";
    expect_one_line(Outcome::ok);
  }
}

TEST_P(EarlyEndTest, ARequestBehindAResponseThatClosesGoesNowhere) {
  const PeerRecord& client = run(asking(get + get), answering(get, closing, Ending::wait));
  EXPECT_EQ(client.received, closing);
  EXPECT_TRUE(client.end_received);
  EXPECT_EQ(received_by_server(), get);
  EXPECT_EQ(connections(), 1U);
  expect_one_line(Outcome::ok);
}

TEST_P(EarlyEndTest, AWholeRequestThatAServerResetsIsABadGateway) {
  // The request and the end behind it have been read; its last bytes wait for room at the server.
  const std::string upload = post_head + "20000\r\n\r\n" + std::string(20'000, 'u');
  const PeerScript server{.reads = false, .ending = Ending::wait, .patience = seconds{1}};
  for_each_seed([&] {
    const PeerRecord& client =
        run({.send = upload, .ending = Ending::half_close}, server, small_buffers(8'192));
    EXPECT_TRUE(client.received.starts_with("HTTP/1.1 502 ")) << client.received;
    expect_one_line(Outcome::refused);
  });
}

TEST_P(EarlyEndTest, ATunnelIsOpenUntilBothSidesEndIt) {
  const std::pair<std::string, std::string> openings[] = {
      {"GET / HTTP/1.1\r\nHost: app0.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
       "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n"},
      {"CONNECT app0.example:443 HTTP/1.1\r\nHost: app0.example:443\r\n\r\n",
       "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"},
  };
  for (const auto& [request, answer] : openings) {
    SCOPED_TRACE(request);
    // The server greets with the head, and answers what comes only then.
    PeerScript server{.ending = Ending::half_close, .patience = minutes{2}};
    server.react = [&, stage = 0](const std::string& received) mutable {
      if (stage == 0 && received.size() >= request.size())
        return stage = 1, Reaction{.send = answer + "hello"};
      if (stage == 1 && received.ends_with("ping"))
        return stage = 2, Reaction{.send = "pong", .finished = true};
      return Reaction{};
    };
    PeerScript client{.ending = Ending::half_close};
    client.react = [&, stage = 0](const std::string& received) mutable {
      if (stage == 0) return stage = 1, Reaction{.send = request};
      if (stage == 1 && received.ends_with("hello"))
        return stage = 2, Reaction{.send = "ping", .finished = true};
      return Reaction{};
    };
    const PeerRecord& record = run(client, server);
    EXPECT_EQ(record.received, answer + "hellopong");
    EXPECT_TRUE(record.end_received);
    EXPECT_EQ(received_by_server(), request + "ping");
    expect_one_line(Outcome::ok);
  }
}

// --- Anything else.

TEST_P(EarlyEndTest, EitherSideMayEndWithItsLastBytes) {
  const std::string hello = "SSH-2.0-client\r\n";
  // The client is done at once and the server answers behind its end, and the other way round.
  const PeerRecord& client = run({.send = hello + "all", .ending = Ending::half_close},
                                 {.send = "answer", .send_after_end = true, .ending = Ending::half_close});
  EXPECT_EQ(client.received, "answer");
  EXPECT_TRUE(client.end_received);
  EXPECT_EQ(received_by_server(), hello + "all");
  expect_one_line(Outcome::ok);

  PeerScript late{.ending = Ending::half_close};
  late.react = [&, begun = false](const std::string& received) mutable {
    if (!std::exchange(begun, true)) return Reaction{.send = hello};
    if (received.size() < 8) return Reaction{};
    return Reaction{.send = "upload", .finished = true};
  };
  const PeerRecord& uploader = run(late, {.send = "greeting", .ending = Ending::half_close});
  EXPECT_EQ(uploader.received, "greeting");
  EXPECT_EQ(received_by_server(), hello + "upload");
  expect_one_line(Outcome::ok);
}

TEST_P(EarlyEndTest, TheEndOfAServerThatHasFailedIsNotPassedOn) {
  // What the server had sent waits behind a client that does not read; meanwhile it has ended its stream, and
  // then reset the connection, as the upload finds out first, of which only the last bytes are under way.
  SimulatedFaults faults = small_buffers(1'000);
  faults.reset_discards_received = 0;
  faults.reset_reported_once = 1000;
  const PeerScript server{
      .send = std::string(3'500, 's'), .reads = false, .ending = Ending::half_close, .patience = seconds{1}};
  const PeerScript client{.send = "SSH-2.0-client\r\n" + std::string(2'100, 'u'),
                          .receive_delay = seconds{3},
                          .ending = Ending::wait};
  for_each_seed([&] {
    const PeerRecord& record = run(client, server, faults);
    EXPECT_FALSE(record.end_received);
    EXPECT_EQ(record.receive_status, Status::reset);
    expect_one_line(Outcome::server_reset);
  });
}

}  // namespace
}  // namespace portshare
