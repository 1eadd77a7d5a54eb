// The limits of a listener, over seeds with faults (see seeded_runs.h) and in situations set up one by one.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "tests/core/client_hello_builder.h"
#include "tests/simulation/dispatch_world.h"
#include "tests/simulation/seeded_runs.h"

namespace portshare {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Every client of the simulated network comes from one address: a limit per source is one for all of them.
const std::string http_request = "GET / HTTP/1.1\r\nHost: app0.example\r\n\r\n";
const std::string ssh_opening = "SSH-2.0-client\r\n";

PeerScript patient_server() {
  return {.send = "welcome", .ending = PeerScript::Ending::wait, .patience = minutes{30}};
}

std::string draw_flight(Random& random) {
  switch (random.below(7)) {
    case 0:
      return "GET / HTTP/1.1\r\n\r\n";  // malformed
    case 1:
      return "GET /" + std::string(3'000, 'x');  // over the limit
    case 2:
      return "GET / HTT";  // and no more
    case 3:
      return std::string(as_text(test::ClientHelloBuilder().add_server_name("app0.example").build(20)));
    case 4:
      return http_request;
    default:
      return ssh_opening + std::string(random.below(5'000), 's');
  }
}

/// Up to 40 clients at once at a listener that takes a few of them.
class LimitedRun {
 public:
  explicit LimitedRun(std::uint64_t seed)
      : random_(seed),
        faults_(SimulatedFaults::draw(random_)),
        dispatch_(seed, faults_, draw_config(), [this](std::size_t, std::size_t, std::size_t) {
          PeerScript script{.send = "welcome", .patience = seconds{20}};
          if (random_.chance(1, 3)) script.reset_after_received = 1 + random_.below(2'000);
          if (random_.chance(1, 3)) script.ending = PeerScript::Ending::wait;
          return script;
        }) {}

  void execute() {
    spdlog::set_level(spdlog::level::off);
    if (std::getenv("PORTSHARE_SIMULATION_TRACE")) dispatch_.world().network.log_to(stderr);
    for (auto count = 10 + random_.below(30); count > 0; --count) dispatch_.add_client(draw_client());
    const bool ends_early = random_.chance(1, 4);
    const auto end = dispatch_.world().network.now() + milliseconds{random_.below(100)};
    ASSERT_TRUE(dispatch_.run_until(
        [&] {
          check_counts();
          if (ends_early && dispatch_.world().network.now() >= end) dispatch_.worker().terminate_all();
          return std::ranges::all_of(dispatch_.clients(), &ScriptedClient::is_done);
        },
        hours{24}));
    ASSERT_TRUE(dispatch_.stop(hours{24}));
    EXPECT_TRUE(dispatch_.world().is_clean());
    EXPECT_EQ(dispatch_.admission()->open_count(), 0U);
    EXPECT_EQ(dispatch_.admission()->refused_count(), 0U);
    for (const LoggedConnection& line : dispatch_.logged()) {
      const Outcome outcome = line.record.outcome;
      if (outcome != Outcome::limited) continue;
      EXPECT_TRUE(listener().source_limits.any());
      EXPECT_EQ(line.record.backend, AccessRecord::none) << "a refused one was routed";
    }
  }

 private:
  const ListenerConfig& listener() const { return dispatch_.config().listeners[0]; }

  Config draw_config() {
    Config config = dispatch_config(1, 1);
    ListenerConfig& listener = config.listeners[0];
    listener.first_flight_limit = 1'024;
    listener.first_flight_timeout = milliseconds{random_.chance(1, 4) ? 0 : 200};
    listener.idle_timeout = seconds{10};
    if (random_.chance(1, 4)) listener.silent_backend = 0;
    if (random_.chance(1, 8)) listener.protocols = {};
    if (listener.protocols.empty()) listener.default_backend = 0;
    if (random_.chance(1, 2))
      listener.source_limits.max_open = 1 + static_cast<std::uint32_t>(random_.below(8));
    if (random_.chance(1, 3)) listener.source_limits.new_connections.count = 5;
    const bool must_limit = !listener.source_limits.any();
    if (must_limit || random_.chance(1, 2))
      listener.max_connections = 1 + static_cast<std::uint32_t>(random_.below(8));
    return config;
  }

  PeerScript draw_client() {
    PeerScript script{
        .send = draw_flight(random_), .chunk_max = 1 + random_.below(100), .patience = seconds{30}};
    if (random_.chance(1, 3)) script.send_delay = milliseconds{random_.below(400)};
    if (random_.chance(1, 4)) script.send_pause_max = milliseconds{20};
    if (random_.chance(1, 4)) script.ending = PeerScript::Ending::close;
    if (random_.chance(1, 4)) script.reset_after_sent = random_.below(script.send.size());
    return script;
  }

  /// In every turn.
  void check_counts() {
    const ListenerConfig& limits = listener();
    const ListenerAdmission& admission = *dispatch_.admission();
    if (limits.max_connections != 0) {
      ASSERT_LE(admission.open_count(), limits.max_connections);
    }
    if (limits.source_limits.max_open != 0) {
      ASSERT_LE(admission.open_count(), limits.source_limits.max_open);
    }
    ASSERT_LE(admission.refused_count(), ListenerAdmission::max_refused_waiting);
    ASSERT_LE(dispatch_.worker().first_flights().in_use(),
              admission.open_count() + admission.refused_count());
  }

  Random random_;
  const SimulatedFaults faults_;
  DispatchWorld dispatch_;
};

TEST(LimitsTest, CountsHoldAndReturnToZeroUnderFaults) {
  const SeedRange range = seeds(1500);
  for (std::uint64_t seed = range.first; seed <= range.last; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    LimitedRun(seed).execute();
    if (testing::Test::HasFailure()) return;
  }
}

class AFullListener : public testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  static constexpr std::size_t limit = 4;
  static constexpr std::size_t waiting = ListenerAdmission::max_refused_waiting;

  static Config config() {
    Config config = dispatch_config(1, 1);
    config.listeners[0].max_connections = limit;
    config.listeners[0].first_flight_limit = 4'096;
    return config;
  }
  bool settle(milliseconds time = milliseconds{50}) {
    (void)dispatch_.run_until([] { return false; }, time);
    return true;
  }
  std::size_t done() {
    return static_cast<std::size_t>(std::ranges::count_if(dispatch_.clients(), &ScriptedClient::is_done));
  }

  DispatchWorld dispatch_{3, SimulatedFaults::none(), config(),
                          [](std::size_t, std::size_t, std::size_t) { return patient_server(); }};
};

TEST_F(AFullListener, HoldsOnlyWhatItsLimitsAllowUnderAFlood) {
  // Slow heads, each one byte short of its end and as long as they may be, from many more than are taken.
  const std::string head = "GET / HTTP/1.1\r\nHost: app0.example\r\nX: " + std::string(4'000, 'x') + "\r\n\r";
  for (int i = 0; i < 1'000; ++i) {
    dispatch_.add_client({.send = head, .ending = PeerScript::Ending::wait, .patience = minutes{1}});
  }
  std::size_t most_flights = 0;
  std::size_t most_sessions = 0;
  std::size_t most_buffers = 0;
  ASSERT_FALSE(dispatch_.run_until(
      [&] {
        most_flights = std::max(most_flights, dispatch_.worker().first_flights().in_use());
        most_sessions = std::max(most_sessions, dispatch_.worker().session_count());
        most_buffers = std::max(most_buffers, dispatch_.world().loop.buffers().outstanding());
        return false;
      },
      seconds{4}));
  EXPECT_EQ(most_flights, limit + waiting)
      << "each keeps first_flight_limit at most: FirstFlight.KeepsNoMore";
  EXPECT_LE(done(), 1'000 - limit - waiting) << "those beyond have been reset";
  EXPECT_GE(done(), 1'000 - limit - waiting - 1);
  EXPECT_EQ(dispatch_.worker().session_count(), limit + waiting);
  EXPECT_LE(most_buffers, 1'000U) << "and those of the clients themselves";
  EXPECT_GE(most_sessions, limit + waiting);
  ASSERT_TRUE(dispatch_.stop(minutes{5}));
  EXPECT_TRUE(dispatch_.world().is_clean());
  EXPECT_TRUE(dispatch_.server(0, 0).connections().empty());
}

TEST_F(AFullListener, ARefusedClientReachesNoServerWhateverItSays) {
  for (std::size_t i = 0; i < limit; ++i) {
    dispatch_.add_client({.send = ssh_opening, .ending = PeerScript::Ending::wait, .patience = minutes{1}});
  }
  settle();
  ASSERT_EQ(dispatch_.server(0, 0).connections().size(), limit);
  for (const std::string& flight :
       {http_request, ssh_opening, std::string("GET / HTTP/1.1\r\n\r\n"), std::string("\x01")}) {
    dispatch_.add_client({.send = flight, .ending = PeerScript::Ending::wait, .patience = minutes{1}});
  }
  dispatch_.add_client({.send = "GET /", .ending = PeerScript::Ending::half_close, .patience = minutes{1}});
  dispatch_.add_client({.send = "", .ending = PeerScript::Ending::half_close, .patience = minutes{1}});
  settle(seconds{6});
  EXPECT_EQ(dispatch_.server(0, 0).connections().size(), limit);
  EXPECT_EQ(dispatch_.logged().size(), 6U);
  for (const LoggedConnection& line : dispatch_.logged())
    EXPECT_EQ(line.record.outcome, Outcome::unavailable);
  ASSERT_TRUE(dispatch_.stop(minutes{5}));
}

}  // namespace
}  // namespace portshare
