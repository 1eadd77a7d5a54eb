// Connections of HTTP/2 with streams for different backends, over thousands of seeds; see seeded_runs.h.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/dispatch_world.h"
#include "tests/simulation/scripted_http2.h"
#include "tests/simulation/seeded_runs.h"

namespace portshare {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t backend_count = 3;
const std::vector<std::string> names{"app0.example", "app1.example", "app2.example", "elsewhere.example"};

/// Of a connection whose bytes nobody can understand any more.
const std::string broken = test::h2_headers(9'999, "\xff\xff\xff\xff\xff\xff\xff");

/// Up to six clients at once, each with a connection of up to twelve streams.
class Http2Run {
 public:
  Http2Run(std::uint64_t seed, bool faulty)
      : faulty_(faulty),
        random_(seed),
        faults_(faulty ? SimulatedFaults::draw(random_) : SimulatedFaults::draw_harmless(random_)),
        limit_(std::min<std::size_t>(body_limit(faults_), 30'000)),
        dispatch_(seed, faults_, draw_config(),
                  [this](std::size_t, std::size_t, std::size_t) { return drawn(http2_server(random_)); }) {}

  void execute() {
    spdlog::set_level(spdlog::level::off);
    if (std::getenv("PORTSHARE_SIMULATION_TRACE")) dispatch_.world().network.log_to(stderr);
    for (auto count = 1 + random_.below(6); count > 0; --count) add_client();
    if (random_.chance(1, 4)) dispatch_.reload_now_and_then();
    if (faulty_ && random_.chance(1, 4)) {
      const auto moment = dispatch_.world().network.now() + milliseconds{random_.below(50)};
      dispatch_.run_until([&] { return dispatch_.world().network.now() >= moment; }, minutes{1});
      if (random_.chance(2, 3)) dispatch_.drain();
      if (random_.chance(1, 3)) dispatch_.worker().terminate_all();
    }
    if (random_.chance(1, 4)) {
      ASSERT_NO_FATAL_FAILURE(dispatch_.hand_over_at_some_time());
    }
    ASSERT_NO_FATAL_FAILURE(run_to_the_end(dispatch_));
    for (const auto& [place, server] : dispatch_.servers()) {
      for (const auto& connection : server->connections())
        check_server(place.first, connection->record().received);
    }
    for (std::size_t client = 0; client < plans_.size(); ++client) {
      SCOPED_TRACE("client " + std::to_string(client));
      check_client(client);
      check_log(client);
    }
    if (!faulty_) {
      EXPECT_EQ(requests_seen_, requests_expected_);
    }
  }

 private:
  Config draw_config() {
    Config config = dispatch_config(backend_count, 1 + random_.below(2));
    ListenerConfig& listener = config.listeners[0];
    listener.first_flight_timeout = hours{2};
    listener.idle_timeout = milliseconds{0};
    for (BackendConfig& backend : config.backends) backend.forwarded = random_.chance(1, 3);
    if (!faulty_) return config;
    listener.first_flight_timeout = random_.chance(1, 3) ? milliseconds{30} : seconds{5};
    if (random_.chance(1, 2)) listener.idle_timeout = random_.chance(1, 2) ? minutes{10} : seconds{2};
    return config;
  }

  PeerScript drawn(PeerScript script) {
    script.chunk_max = 1 + random_.below(random_.chance(1, 3) ? 40 : 30'000);
    if (random_.chance(1, 4)) script.receive_pause_max = milliseconds{5};
    if (random_.chance(1, 8)) script.send_pause_max = milliseconds{2};
    script.patience = faulty_ ? hours{1} : hours{12};
    if (faulty_ && random_.chance(1, 12)) script.reset_after_sent = random_.below(1'000);
    if (faulty_ && random_.chance(1, 12)) script.reset_after_received = 1 + random_.below(1'000);
    return script;
  }

  void add_client() {
    Http2ClientPlan plan;
    const std::string& first = names[random_.below(random_.chance(1, 8) ? names.size() : backend_count)];
    plan.streams = draw_streams(random_, 1 + random_.below(12), first, names, limit_);
    // By its name a request tells whose it is.
    for (PlannedStream& stream : plan.streams)
      stream.fields[2].second += "-of-" + std::to_string(plans_.size());
    plan.waits_for_settings = random_.chance(1, 3);
    if (random_.chance(1, 6)) plan.last_words = broken;
    plans_.push_back(plan);
    dispatch_.add_client(drawn(http2_client(std::move(plan), random_)));
  }

  static bool is_own(const Http2ClientPlan& plan, const PlannedStream& stream) {
    return stream.name() == plan.streams[0].name() && stream.name() != names.back();
  }

  /// What a connection to a server has got are the requests of one client for it, as they were sent.
  void check_server(std::size_t backend, const std::string& received) {
    Http2Reading reading(true);
    reading.read(received);
    EXPECT_EQ(reading.fault, "");
    for (const auto& [number, message] : reading.messages) {
      ASSERT_GE(message.fields.size(), 5U);
      EXPECT_EQ(message.fields[3].second, names[backend]) << "a request for another backend";
      const std::string& path = message.fields[2].second;
      const auto client = std::stoul(path.substr(path.rfind('-') + 1));
      const auto& streams = plans_.at(client).streams;
      const auto stream = std::ranges::find(streams, number, &PlannedStream::number);
      ASSERT_NE(stream, streams.end());
      const std::size_t additions = dispatch_.config().backends[backend].forwarded ? 3 : 0;
      ASSERT_EQ(message.fields.size(), stream->fields.size() + additions);
      EXPECT_TRUE(std::equal(stream->fields.begin(), stream->fields.end(), message.fields.begin()));
      EXPECT_TRUE(stream->body.starts_with(message.body));
      if (message.has_ended) {
        EXPECT_EQ(message.body, stream->body);
        EXPECT_EQ(message.trailers, stream->trailers);
        ++requests_seen_;
      }
    }
    if (!faulty_) {
      EXPECT_LE(reading.acknowledgements, 2U) << "more than the server has sent";
    }
  }

  void check_client(std::size_t index) {
    const Http2ClientPlan& plan = plans_[index];
    Http2Reading reading(false);
    reading.read(dispatch_.clients()[index].record().received);
    EXPECT_EQ(reading.fault, "");
    const bool is_refused = plan.streams[0].name() == names.back();
    std::uint64_t dropped = 0;
    std::uint64_t dropped_before_the_last_phase = 0;
    for (const PlannedStream& stream : plan.streams) {
      SCOPED_TRACE("stream " + std::to_string(stream.number));
      const auto found = reading.messages.find(stream.number);
      if (is_refused && &stream != &plan.streams[0]) {
        EXPECT_EQ(found, reading.messages.end());
        continue;
      }
      if (!faulty_) {
        ASSERT_NE(found, reading.messages.end()) << "no answer";
        EXPECT_TRUE(found->second.has_ended);
        if (is_own(plan, stream)) ++requests_expected_;
      }
      if (found == reading.messages.end()) continue;
      const Http2Reading::Message& answer = found->second;
      const std::string& status = answer.fields.at(0).second;
      if (!is_own(plan, stream)) {
        // Or the first request came too late, or not whole.
        if (!faulty_ || !is_refused) {
          EXPECT_EQ(status, "421");
        }
        EXPECT_EQ(answer.body, "");
        dropped += stream.body.size();
        if (stream.phase < plan.streams.back().phase) dropped_before_the_last_phase += stream.body.size();
        continue;
      }
      if (faulty_ && status != "200") {
        EXPECT_EQ(&stream, &plan.streams[0]) << "only a first request gets " << status;
        continue;
      }
      EXPECT_EQ(status, "200");
      EXPECT_EQ(answer.fields.at(1).second, stream.fields[2].second);
      EXPECT_TRUE(stream.body.starts_with(answer.body));
      if (!faulty_) {
        EXPECT_EQ(answer.body, stream.body);
        EXPECT_EQ(answer.trailers, stream.trailers);
      }
    }
    if (!faulty_ && !is_refused) {
      EXPECT_EQ(reading.goaways, plan.last_words.empty() ? 0 : 1);
      // The end of the connection may come before the window that the last of them had taken is given back.
      EXPECT_LE(reading.connection_window, dropped) << "of the connection's window";
      EXPECT_GE(reading.connection_window, dropped_before_the_last_phase);
    }
  }

  /// One line for the connection, and one per misdirected request.
  void check_log(std::size_t index) {
    const Http2ClientPlan& plan = plans_[index];
    const ScriptedClient& client = dispatch_.clients()[index];
    std::size_t connections = 0;
    std::size_t misdirected = 0;
    for (const auto& [record, name, alpn] : dispatch_.logged()) {
      if (!record.has_client || record.client != client.address()) continue;
      const bool is_misdirected = !name.empty() && name != plan.streams[0].name();
      ++(is_misdirected ? misdirected : connections);
      if (is_misdirected) {
        EXPECT_EQ(record.outcome, name == names.back() ? Outcome::no_route : Outcome::rejected);
        EXPECT_EQ(record.backend, AccessRecord::none);
      } else if (!faulty_) {
        const bool is_refused = name == names.back();
        const Outcome end = plan.last_words.empty() ? Outcome::ok : Outcome::malformed;
        EXPECT_EQ(to_string(record.outcome), to_string(is_refused ? Outcome::no_route : end));
        EXPECT_EQ(record.bytes_out, client.record().received.size());
      }
    }
    EXPECT_LE(connections, 1U);
    if (faulty_) return;
    EXPECT_EQ(connections, 1U);
    const bool is_refused = plan.streams[0].name() == names.back();
    const auto expected = std::ranges::count_if(
        plan.streams, [&](const PlannedStream& stream) { return !is_refused && !is_own(plan, stream); });
    EXPECT_EQ(misdirected, static_cast<std::size_t>(expected));
  }

  const bool faulty_;
  Random random_;
  const SimulatedFaults faults_;
  const std::size_t limit_;
  std::vector<Http2ClientPlan> plans_;
  std::size_t requests_seen_ = 0;  // by servers, whole
  std::size_t requests_expected_ = 0;
  DispatchWorld dispatch_;
};

TEST(Http2RunsTest, EveryStreamIsAnsweredByItsOwnBackendOrRefused) {
  run_seeds<Http2Run>(600, false);
}

TEST(Http2RunsTest, FaultsLetNoStreamGoAstray) {
  run_seeds<Http2Run>(1500, true);
}

}  // namespace
}  // namespace portshare
