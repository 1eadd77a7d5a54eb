// The production session code over thousands of seeds with faults; see seeded_runs.h.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <string>

#include "core/byte_view.h"
#include "dispatch/refusal.h"
#include "tests/core/client_hello_builder.h"
#include "tests/simulation/dispatch_world.h"
#include "tests/simulation/seeded_runs.h"

namespace portshare {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t backend_count = 3;
constexpr std::size_t first_flight_limit = 8'000;
// However slow the network is, nobody gives up before it is through.
constexpr hours healthy_first_flight_timeout{2};
constexpr hours healthy_patience{12};
constexpr minutes patience{60};

/// A client and what has to become of it.
struct Expectation {
  std::string payload;                 ///< all that it sends, the first flight included
  std::optional<std::size_t> backend;  ///< where it belongs; none: nowhere
  Protocol protocol = Protocol::any;
  std::optional<Outcome> refusal;  ///< of one that belongs nowhere
  bool is_silent = false;          ///< says nothing until the first flight's time is over
};

std::string text_of(const test::Bytes& bytes) {
  return std::string(as_text(bytes));
}

std::string tls_flight(Random& random, const std::string& name) {
  test::ClientHelloBuilder builder;
  for (auto& byte : builder.random) byte = static_cast<std::uint8_t>(random.next());
  if (!name.empty()) builder.add_server_name(name);
  if (random.chance(1, 2)) builder.add_alpn({"h2", "http/1.1"});
  if (random.chance(1, 4)) builder.add_extension(21, test::Bytes(random.below(1'000), 0));  // padding
  const std::size_t fragment = random.chance(1, 2) ? 16384 : 1 + random.below(30) * random.below(30);
  return text_of(test::in_records(builder.message(), fragment));
}

std::string http_flight(Random& random, const std::string& name, std::size_t body_length) {
  std::string head = "POST /" + std::to_string(random.next()) + " HTTP/1.1\r\nHost: " + name + "\r\n";
  for (auto count = random.below(20); count > 0; --count)
    head += "X-Filler: " + std::to_string(random.next()) + "\r\n";
  return head + "Content-Length: " + std::to_string(body_length) + "\r\n\r\n";
}

/// What the rules make of a client that no name leads anywhere.
Expectation without_route(const ListenerConfig& listener, std::string payload, Protocol protocol) {
  if (listener.default_backend) return {std::move(payload), *listener.default_backend, protocol, {}};
  return {std::move(payload), {}, protocol, Outcome::no_route};
}

Expectation draw_first_flight(Random& random, const ListenerConfig& listener, std::size_t limit) {
  const std::size_t backend = random.below(backend_count);
  const std::string name = "app" + std::to_string(backend) + ".example";
  const std::string body = draw_body(random, limit);
  switch (random.below(13)) {
    case 0:
      return without_route(listener, tls_flight(random, "elsewhere.example") + body, Protocol::tls);
    case 1:
      return without_route(listener, tls_flight(random, "") + body, Protocol::tls);
    case 2:
      return without_route(listener, http_flight(random, "elsewhere.example", body.size()) + body,
                           Protocol::http);
    case 3:
      return {"GET / HTTP/1.1\r\nHost: " + name + "\r\nHost: other\r\n\r\n",
              {},
              Protocol::http,
              Outcome::malformed};
    case 4: {
      std::string hello = tls_flight(random, name);
      hello[5] = 2;  // a ServerHello
      return {hello, {}, Protocol::tls, Outcome::malformed};
    }
    case 5:
      return {"GET /" + std::string(first_flight_limit + 100, 'x'), {}, Protocol::http, Outcome::too_large};
    case 6:
      return {"SSH-2.0-" + std::to_string(random.next()) + "\r\n" + body, 0, Protocol::ssh, {}};
    case 7: {
      const std::string unclaimed = "\x01" + random_bytes(random, 20) + body;
      if (listener.protocols.contains(Protocol::any))
        return without_route(listener, unclaimed, Protocol::any);
      return {unclaimed, {}, Protocol::any, Outcome::malformed};
    }
    case 8:
    case 9:
      return {http_flight(random, name, body.size()) + body, backend, Protocol::http, {}};
    default:
      return {tls_flight(random, name) + body, backend, Protocol::tls, {}};
  }
}

Expectation draw_client(Random& random, const ListenerConfig& listener, std::size_t limit,
                        bool may_misbehave) {
  Expectation client = draw_first_flight(random, listener, limit);
  client.is_silent = listener.silent_backend && random.chance(1, 6);
  const bool stays_silent = client.is_silent && !may_misbehave;  // else it may speak in time
  if (!listener.reads_first_flight() || stays_silent) {
    client.backend = stays_silent ? listener.silent_backend : listener.default_backend;
    client.protocol = Protocol::any;
    client.refusal = {};
  }
  return client;
}

PeerScript draw_client_script(Random& random, const Expectation& client, const ListenerConfig& listener,
                              bool may_misbehave) {
  PeerScript script{.send = client.payload, .chunk_max = 1 + random.below(random.chance(1, 3) ? 40 : 30'000)};
  if (random.chance(1, 4)) script.receive_pause_max = milliseconds{5};
  if (random.chance(1, 8) && script.send.size() < 10'000) script.send_pause_max = milliseconds{2};
  script.ending = random.chance(1, 2) ? PeerScript::Ending::half_close : PeerScript::Ending::wait;
  script.patience = may_misbehave ? patience : healthy_patience;
  if (client.is_silent) script.send_delay = 2 * listener.first_flight_timeout;
  if (!may_misbehave) return script;
  // About when the time for the first flight is over.
  if (client.is_silent)
    script.send_delay =
        milliseconds{random.below(static_cast<std::uint64_t>(listener.first_flight_timeout.count()) * 2 + 1)};
  switch (random.below(8)) {
    case 0:
      script.ending = PeerScript::Ending::close;
      break;
    case 1:
      script.reset_after_sent = random.below(script.send.size());
      break;
    case 2:
      script.reset_after_received = 1 + random.below(2'000);
      break;
    case 3:
      script.reads = false;
      break;
    default:
      break;
  }
  if (!script.reads) script.patience = seconds{30};
  return script;
}

PeerScript draw_server_script(Random& random, std::size_t limit, bool may_misbehave) {
  // A whole response, which for clients that speak something else is as good as any other bytes.
  const std::string body = draw_body(random, limit);
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  PeerScript script{.send = head + body, .chunk_max = 1 + random.below(30'000)};
  switch (random.below(4)) {
    case 0:
      script.send_after = 1 + random.below(9);
      break;  // answers
    case 1:
      script.send_after_end = random.chance(1, 2);
      break;
    default:
      break;  // speaks first
  }
  if (random.chance(1, 4)) script.receive_pause_max = milliseconds{5};
  script.ending = random.chance(1, 2) ? PeerScript::Ending::half_close : PeerScript::Ending::wait;
  script.patience = may_misbehave ? patience : healthy_patience;
  if (!may_misbehave) {
    // Both sides waiting for the other one's end would wait for the idle timeout.
    script.ending = PeerScript::Ending::half_close;
    script.send_after_end = false;
    return script;
  }
  switch (random.below(8)) {
    case 0:
      script.ending = PeerScript::Ending::close;
      break;
    case 1:
      script.reset_after_sent = random.below(script.send.size() + 1);
      break;
    case 2:
      script.reset_after_received = 1 + random.below(3'000);
      break;
    case 3:
      script.reads = false;
      break;
    default:
      break;
  }
  if (!script.reads) script.patience = seconds{30};
  return script;
}

/// One run: up to 20 clients of all kinds at once.
class SeededRun {
 public:
  SeededRun(std::uint64_t seed, bool faulty)
      : seed_(seed),
        faulty_(faulty),
        random_(seed),
        faults_(faulty ? SimulatedFaults::draw(random_) : SimulatedFaults::draw_harmless(random_)),
        limit_(body_limit(faults_)),
        max_sessions_(random_.chance(1, 4) ? 1 + random_.below(6) : SIZE_MAX),
        dispatch_(
            seed, faults_, draw_config(),
            [this](std::size_t backend, std::size_t server, std::size_t connection) {
              PeerScript script = draw_server_script(random_, limit_, faulty_);
              answers_[{backend, server, connection}] = script.send;
              return script;
            },
            max_sessions_) {}

  void execute() {
    spdlog::set_level(spdlog::level::off);
    if (std::getenv("PORTSHARE_SIMULATION_TRACE")) dispatch_.world().network.log_to(stderr);
    for (auto count = 1 + random_.below(20); count > 0; --count) {
      Expectation client = draw_client(random_, listener(), limit_, faulty_);
      dispatch_.add_client(draw_client_script(random_, client, listener(), faulty_));
      expectations_.push_back(std::move(client));
    }
    if (random_.chance(1, 4)) dispatch_.reload_now_and_then();
    if (faulty_ && random_.chance(1, 3)) {
      // An end in the middle of it all.
      const auto moment = dispatch_.world().network.now() + milliseconds{random_.below(50)};
      dispatch_.run_until([&] { return dispatch_.world().network.now() >= moment; }, minutes{1});
      if (random_.chance(1, 2)) dispatch_.drain();
      if (random_.chance(1, 2)) dispatch_.worker().terminate_all();
    }
    if (random_.chance(1, 4)) {
      ASSERT_NO_FATAL_FAILURE(dispatch_.hand_over_at_some_time());
    }
    ASSERT_NO_FATAL_FAILURE(run_to_the_end(dispatch_));
    check_servers();
    check_clients();
    check_log();
  }

 private:
  const ListenerConfig& listener() const { return dispatch_.config().listeners[0]; }

  Config draw_config() {
    Config config = dispatch_config(backend_count, 1 + random_.below(3));
    ListenerConfig& listener = config.listeners[0];
    listener.first_flight_limit = first_flight_limit;
    if (random_.chance(1, 3)) listener.protocols.insert(Protocol::any);
    if (random_.chance(1, 3)) listener.default_backend = 2;
    // Who waits in the queue for longer than it wants to be silent is not.
    if (random_.chance(1, 3) && (faulty_ || max_sessions_ == SIZE_MAX)) listener.silent_backend = 1;
    if (random_.chance(1, 12)) {
      listener.protocols = {};
      listener.default_backend = 2;
      listener.silent_backend = {};
    }
    listener.first_flight_timeout = healthy_first_flight_timeout;
    listener.idle_timeout = milliseconds{0};
    if (faulty_) {
      listener.first_flight_timeout = random_.chance(1, 3) ? milliseconds{30} : seconds{5};
      if (random_.chance(1, 2)) listener.idle_timeout = random_.chance(1, 2) ? minutes{10} : seconds{2};
    }
    for (BackendConfig& backend : config.backends) {
      backend.retries = static_cast<std::uint32_t>(random_.below(3));
      if (faulty_ && random_.chance(1, 3)) backend.connect_timeout = milliseconds{1 + random_.below(200)};
    }
    return config;
  }

  /// Whether a backend may get the bytes of a client: the one where it belongs, and where faults make it slow
  /// to say its first word, the silent one.
  bool may_reach(const Expectation& client, std::size_t backend) const {
    return client.backend == backend || (faulty_ && listener().silent_backend == backend);
  }

  /// What a server got is the beginning of what one of its own clients sent, all of it if the stream ended in
  /// order.
  void check_servers() {
    for (const auto& [place, server] : dispatch_.servers()) {
      for (std::size_t connection = 0; connection < server->connections().size(); ++connection) {
        const PeerRecord& record = server->connections()[connection]->record();
        // Shorter than a request line's number it may fit several clients; any of them will do.
        const auto sender = std::ranges::find_if(expectations_, [&](const Expectation& client) {
          return client.payload.starts_with(record.received);
        });
        if (record.received.empty()) continue;
        ASSERT_NE(sender, expectations_.end()) << "a server received what nobody sent";
        const auto rightful = std::ranges::find_if(expectations_, [&](const Expectation& client) {
          return may_reach(client, place.first) && client.payload.starts_with(record.received);
        });
        ASSERT_NE(rightful, expectations_.end())
            << "backend " << place.first << " received another one's bytes";
        if (!ended_in_order(record)) continue;
        const auto& clients = dispatch_.clients();
        const auto index = static_cast<std::size_t>(rightful - expectations_.begin());
        // What a client sends when its connection has just been given up as idle comes too late.
        const AccessRecord* line = line_of(clients[index]);
        if (line && line->outcome == Outcome::idle) continue;
        EXPECT_GE(record.received.size(), std::min(rightful->payload.size(), clients[index].record().sent))
            << "an upload was cut short and ended as if it were whole";
      }
    }
  }

  void check_clients() {
    for (std::size_t i = 0; i < expectations_.size(); ++i) {
      const ScriptedClient& client = dispatch_.clients()[i];
      const PeerRecord& record = client.record();
      if (client.connect_status() != Status::ok) {
        EXPECT_TRUE(faulty_);
        continue;
      }
      if (record.received.empty()) continue;
      // The log has its own story of this client, and it has to be the same one.
      const AccessRecord* line = line_of(client);
      ASSERT_TRUE(line) << "client " << i << " stands nowhere in the log";
      const bool whole_is_known = ended_in_order(record);
      const bool is_answer = std::ranges::any_of(answers_, [&](const auto& answer) {
        if (line->backend != std::get<0>(answer.first) || line->server != std::get<1>(answer.first))
          return false;
        return whole_is_known ? answer.second == record.received : answer.second.starts_with(record.received);
      });
      EXPECT_TRUE(is_answer || is_refusal(*line, record))
          << "client " << i << " got " << record.received.size() << " bytes"
          << (whole_is_known ? " and the end, " : ", ") << to_string(line->outcome);
      if (!faulty_) {
        EXPECT_EQ(line->bytes_out, record.received.size());
      } else {
        EXPECT_GE(line->bytes_out, record.received.size());
      }
    }
  }

  /// After a failed send the end of the stream may be how the system reports a reset for the second time.
  static bool ended_in_order(const PeerRecord& record) {
    return record.end_received && record.send_status == Status::ok;
  }

  static bool is_refusal(const AccessRecord& line, const PeerRecord& record) {
    const auto answer = as_text(refusal_for(line.protocol, line.outcome).answer);
    return ended_in_order(record) ? answer == record.received : answer.starts_with(record.received);
  }

  const AccessRecord* line_of(const ScriptedClient& client) const {
    const auto found = std::ranges::find_if(dispatch_.logged(), [&](const LoggedConnection& line) {
      return line.record.has_client && line.record.client == client.address();
    });
    return found == dispatch_.logged().end() ? nullptr : &found->record;
  }

  void check_log() {
    EXPECT_LE(dispatch_.logged().size(), expectations_.size()) << "one line per connection";
    for (std::size_t i = 0; i < expectations_.size(); ++i) {
      const ScriptedClient& client = dispatch_.clients()[i];
      const AccessRecord* line = line_of(client);
      if (!faulty_) {
        ASSERT_TRUE(line) << "client " << i << " stands nowhere in the log";
        EXPECT_EQ(to_string(line->outcome), to_string(expectations_[i].refusal.value_or(Outcome::ok)));
        const bool is_reset = expectations_[i].refusal &&
                              refusal_for(expectations_[i].protocol, *expectations_[i].refusal).reset;
        if (is_reset) {
          EXPECT_FALSE(ended_in_order(client.record())) << "client " << i << " was not reset";
        } else {
          EXPECT_TRUE(client.record().end_received) << "client " << i << " was not told the end";
        }
        EXPECT_EQ(line->protocol, expectations_[i].protocol);
        if (line->outcome == Outcome::ok) {
          EXPECT_EQ(line->bytes_in, expectations_[i].payload.size());
        }
      }
      if (line) check_line(*line, expectations_[i], client.record());
    }
  }

  void check_line(const AccessRecord& line, const Expectation& expected, const PeerRecord& record) {
    EXPECT_GE(line.duration, std::chrono::microseconds{0});
    EXPECT_LE(line.bytes_in, expected.payload.size());
    switch (line.outcome) {
      case Outcome::ok:
        if (line.bytes_in > 0) {
          EXPECT_NE(line.backend, AccessRecord::none);
        }
        break;
      case Outcome::no_route:
        EXPECT_EQ(expected.refusal, Outcome::no_route);
        EXPECT_EQ(line.backend, AccessRecord::none);
        break;
      case Outcome::malformed:  // also whatever ends before its first flight is complete
        EXPECT_TRUE(expected.refusal == Outcome::malformed || record.sent < expected.payload.size() ||
                    expected.refusal == Outcome::too_large);
        EXPECT_EQ(line.backend, AccessRecord::none);
        break;
      case Outcome::too_large:
        EXPECT_EQ(expected.refusal, Outcome::too_large);
        EXPECT_EQ(line.backend, AccessRecord::none);
        break;
      case Outcome::timeout:
        EXPECT_EQ(line.backend, AccessRecord::none);
        EXPECT_GE(line.duration, listener().first_flight_timeout);
        break;
      case Outcome::refused:
      case Outcome::connect_timeout:
        ASSERT_NE(line.backend, AccessRecord::none);
        EXPECT_TRUE(may_reach(expected, line.backend));
        // A server of HTTP may also take the connection, and then fail without an answer.
        if (line.outcome == Outcome::connect_timeout || line.protocol != Protocol::http) {
          EXPECT_LT(line.connect, std::chrono::microseconds{0});
        }
        break;
      case Outcome::idle:
        EXPECT_GE(line.duration, listener().idle_timeout);
        break;
      case Outcome::rejected:
      case Outcome::denied:
      case Outcome::limited:
        ADD_FAILURE() << to_string(line.outcome) << " although nothing says so";
        break;
      case Outcome::unavailable:
      case Outcome::client_reset:
      case Outcome::server_reset:
      case Outcome::shutdown:
        EXPECT_TRUE(faulty_);
        break;
    }
    // The beginning of a first flight may look like something else.
    if (line.first_flight >= std::chrono::microseconds{0}) {
      EXPECT_EQ(line.protocol, expected.protocol);
    }
    if (line.connect >= std::chrono::microseconds{0}) {
      EXPECT_TRUE(may_reach(expected, line.backend));
    }
  }

  const std::uint64_t seed_;
  const bool faulty_;
  Random random_;
  const SimulatedFaults faults_;
  const std::size_t limit_;
  const std::size_t max_sessions_;
  std::map<std::tuple<std::size_t, std::size_t, std::size_t>, std::string> answers_;
  std::vector<Expectation> expectations_;
  DispatchWorld dispatch_;
};

TEST(SessionRunsTest, EverythingArrivesOnAHealthyNetwork) {
  run_seeds<SeededRun>(1500, false);
}

TEST(SessionRunsTest, FaultsNeverMixTruncateOrLeak) {
  run_seeds<SeededRun>(3000, true);
}

}  // namespace
}  // namespace portshare
