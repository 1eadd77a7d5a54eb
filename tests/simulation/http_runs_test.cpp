// HTTP/1 connections with several requests for different backends, over thousands of seeds; see
// seeded_runs.h.
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dispatch/refusal.h"
#include "tests/simulation/dispatch_world.h"
#include "tests/simulation/scripted_http.h"
#include "tests/simulation/seeded_runs.h"

namespace portshare {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t backend_count = 3;
constexpr hours healthy_patience{12};

std::string_view answer_for(Outcome outcome) {
  return as_text(refusal_for(Protocol::http, outcome).answer);
}

/// After a failed send the end of the stream may be how the system reports a reset for the second time.
bool ended_in_order(const PeerRecord& record) {
  return record.end_received && record.send_status == Status::ok;
}

/// Up to ten clients at once, each with up to six requests.
class HttpRun {
 public:
  HttpRun(std::uint64_t seed, bool faulty)
      : faulty_(faulty),
        random_(seed),
        faults_(faulty ? SimulatedFaults::draw(random_) : SimulatedFaults::draw_harmless(random_)),
        limit_(std::min<std::size_t>(body_limit(faults_), 50'000)),
        dispatch_(seed, faults_, draw_config(),
                  [this](std::size_t, std::size_t, std::size_t) { return draw_server(); }) {}

  void execute() {
    spdlog::set_level(spdlog::level::off);
    if (std::getenv("PORTSHARE_SIMULATION_TRACE")) dispatch_.world().network.log_to(stderr);
    for (auto count = 1 + random_.below(10); count > 0; --count) add_client();
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
    check_servers();
    for (std::size_t client = 0; client < requests_.size(); ++client) {
      SCOPED_TRACE("client " + std::to_string(client));
      check_client(client);
      check_log(client);
    }
  }

 private:
  using Requests = std::vector<PlannedRequest>;

  Config draw_config() {
    Config config = dispatch_config(backend_count, 1 + random_.below(2));
    ListenerConfig& listener = config.listeners[0];
    listener.first_flight_limit = 8'000;
    listener.first_flight_timeout = hours{2};
    listener.idle_timeout = milliseconds{0};
    if (!faulty_) return config;
    listener.first_flight_timeout = random_.chance(1, 3) ? milliseconds{30} : seconds{5};
    if (random_.chance(1, 2)) listener.idle_timeout = random_.chance(1, 2) ? minutes{10} : seconds{2};
    for (BackendConfig& backend : config.backends) {
      backend.retries = static_cast<std::uint32_t>(random_.below(3));
      if (random_.chance(1, 3)) backend.connect_timeout = milliseconds{1 + random_.below(200)};
    }
    return config;
  }

  PeerScript draw_server() {
    PeerScript script = http_server(plans_, random_);
    script.chunk_max = 1 + random_.below(random_.chance(1, 3) ? 40 : 30'000);
    if (random_.chance(1, 4)) script.receive_pause_max = milliseconds{5};
    if (random_.chance(1, 8)) script.send_pause_max = milliseconds{2};
    script.patience = faulty_ ? hours{1} : healthy_patience;
    if (faulty_ && random_.chance(1, 20)) script.reset_after_received = 1 + random_.below(2'000);
    return script;
  }

  void add_client() {
    Requests requests;
    std::size_t answered = 0;
    bool closes = false;
    for (auto count = 1 + random_.below(6); count > 0; --count) {
      requests.push_back(draw_request(random_, plans_.size() + 1, backend_count, limit_, faulty_));
      plans_.emplace(requests.back().id, requests.back());
      if (!closes) answered += requests.back().response.size() + requests.back().tunnelled.size();
      closes = closes || requests.back().closes;
    }
    PeerScript script = http_client(requests, random_.chance(1, 2));
    script.chunk_max = 1 + random_.below(random_.chance(1, 3) ? 40 : 30'000);
    if (random_.chance(1, 4)) script.receive_pause_max = milliseconds{5};
    if (random_.chance(1, 8)) script.send_pause_max = milliseconds{2};
    script.patience = faulty_ ? hours{1} : healthy_patience;
    script.ending = random_.chance(1, 2) ? PeerScript::Ending::half_close : PeerScript::Ending::close;
    script.close_after_received = answered;
    // Kept open by both sides it would stay for ever.
    const bool tunnels =
        std::ranges::any_of(requests, [](const PlannedRequest& r) { return !r.tunnelled.empty(); });
    if (closes && !tunnels && random_.chance(1, 2)) script.ending = PeerScript::Ending::wait;
    // It does not know how long a refusal is.
    if (!faulty_ && script.ending == PeerScript::Ending::close && closes)
      script.ending = PeerScript::Ending::half_close;
    if (faulty_ && random_.chance(1, 12)) script.reset_after_sent = random_.below(1'000);
    if (faulty_ && random_.chance(1, 12)) script.reset_after_received = 1 + random_.below(1'000);
    dispatch_.add_client(std::move(script));
    requests_.push_back(std::move(requests));
  }

  /// What one connection to a server got is what one client sent for its backend, one request after the other
  /// from the beginning of one on, and no request begins twice.
  void check_servers() {
    std::vector<std::pair<std::size_t, const PeerRecord*>> connections;
    for (const auto& [place, server] : dispatch_.servers()) {
      for (const auto& connection : server->connections())
        connections.emplace_back(place.first, &connection->record());
    }
    // What was cut within its first line fits several requests: the certain ones first.
    std::ranges::stable_sort(connections, std::greater(),
                             [](const auto& connection) { return connection.second->received.size(); });
    for (const auto& [backend, record] : connections) check_connection(backend, *record);
  }

  void check_connection(std::size_t backend, const PeerRecord& record) {
    std::string_view received = record.received;
    if (received.empty()) return;
    const auto [requests, first] = request_at(received, backend);
    ASSERT_TRUE(requests) << "backend " << backend
                          << " received what is not for it: " << received.substr(0, 80);
    for (std::size_t i = first; !received.empty(); ++i) {
      ASSERT_LT(i, requests->size()) << "more than the client sent";
      const PlannedRequest& request = (*requests)[i];
      ASSERT_EQ(request.backend, backend) << "request " << request.id;
      const std::string expected = request.wire.substr(0, request.forwardable) + request.tunnelled;
      const std::size_t length = std::min(expected.size(), received.size());
      ASSERT_TRUE(received.substr(0, length) == std::string_view(expected).substr(0, length))
          << "request " << request.id << " arrived as " << received.substr(0, 200);
      EXPECT_TRUE(received_.emplace(request.id, length).second) << "request " << request.id << " came twice";
      received.remove_prefix(length);
      if (request.forwardable < request.wire.size()) {
        EXPECT_TRUE(received.empty()) << "bytes behind a malformed request were forwarded";
      }
    }
  }

  std::pair<const Requests*, std::size_t> request_at(std::string_view received, std::size_t backend) const {
    for (const Requests& requests : requests_) {
      for (std::size_t i = 0; i < requests.size(); ++i) {
        const auto legal = std::string_view(requests[i].wire).substr(0, requests[i].forwardable);
        const std::size_t length = std::min(legal.size(), received.size());
        const bool fits = length > 0 && legal.substr(0, length) == received.substr(0, length);
        if (fits && requests[i].backend == backend && !received_.contains(requests[i].id))
          return {&requests, i};
      }
    }
    return {nullptr, 0};
  }

  /// The responses that a client gets, in order, and then perhaps a refusal.
  void check_client(std::size_t index) {
    const Requests& requests = requests_[index];
    const PeerRecord& record = dispatch_.clients()[index].record();
    std::string_view rest = record.received;
    for (const PlannedRequest& request : requests) {
      const std::string expected = std::string(request.deliverable()) + request.tunnelled;
      const bool is_whole = !request.is_garbage && request.sent_by_server == request.response.size();
      if (!request.refusal && is_whole && rest.starts_with(expected)) {
        rest.remove_prefix(expected.size());
        ++answered_[index];
        if (!request.closes) continue;
        break;
      }
      if (!faulty_) {
        ASSERT_TRUE(request.refusal) << "request " << request.id
                                     << " was not answered as it should: " << rest.substr(0, 200);
        ++answered_[index];
        EXPECT_EQ(rest.substr(0, 1'000), answer_for(*request.refusal));
        rest = {};
        break;
      }
      if (expected.starts_with(rest)) {
        // An end in order says that a body without a length is whole, unless it is the server that says so.
        const bool server_says_so =
            request.server_fault == PlannedRequest::Fault::cut_by_end && rest.size() == expected.size();
        const bool passes_for_whole =
            request.ends_with_close && ended_in_order(record) && !server_says_so &&
            rest.size() > request.response.find("\r\n\r\n", request.response.find("X-Answer-To:")) + 4;
        EXPECT_FALSE(passes_for_whole) << "a response was cut short and ended as if it were whole";
        return;
      }
      constexpr std::array refusals = {Outcome::no_route,       Outcome::malformed, Outcome::too_large,
                                       Outcome::timeout,        Outcome::refused,   Outcome::unavailable,
                                       Outcome::connect_timeout};
      EXPECT_TRUE(std::ranges::any_of(refusals, [&](Outcome o) { return answer_for(o).starts_with(rest); }))
          << "request " << request.id << " got " << rest.substr(0, 200);
      return;
    }
    // A request that never came may have been given up.
    if (faulty_ && !rest.empty()) {
      EXPECT_TRUE(answer_for(Outcome::timeout).starts_with(rest) ||
                  answer_for(Outcome::malformed).starts_with(rest) ||
                  answer_for(Outcome::refused).starts_with(rest))
          << rest.substr(0, 200);
      return;
    }
    EXPECT_TRUE(rest.empty()) << "got more than the responses: " << rest.substr(0, 200);
  }

  /// One line per request, in their order.
  void check_log(std::size_t index) {
    const Requests& requests = requests_[index];
    const ScriptedClient& client = dispatch_.clients()[index];
    std::vector<LoggedConnection> lines;
    std::ranges::copy_if(dispatch_.logged(), std::back_inserter(lines), [&](const LoggedConnection& line) {
      return line.record.has_client && line.record.client == client.address();
    });
    ASSERT_LE(lines.size(), requests.size()) << "more lines than requests";
    EXPECT_GE(lines.size(), answered_[index]);
    if (!faulty_) {
      EXPECT_EQ(lines.size(), answered_[index]);
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const AccessRecord& line = lines[i].record;
      const PlannedRequest& request = requests[i];
      EXPECT_TRUE(line.backend == AccessRecord::none || line.backend == request.backend);
      if (line.first_flight >= std::chrono::microseconds{0}) {
        EXPECT_EQ(lines[i].name, request.host);
      }
      EXPECT_LE(line.bytes_in, whole_length(requests, i));
      if (faulty_) continue;
      EXPECT_EQ(to_string(line.outcome), to_string(request.refusal.value_or(Outcome::ok)));
      if (request.refusal) {
        EXPECT_EQ(line.bytes_out, answer_for(*request.refusal).size());
        continue;
      }
      EXPECT_EQ(line.backend, request.backend);
      EXPECT_EQ(line.bytes_out, request.response.size() + request.tunnelled.size());
      if (request.closes && request.answers_early) continue;  // the rest of it is not wanted
      EXPECT_EQ(line.bytes_in, request.wire.size() + request.tunnelled.size());
      // The reset that a later body deserves discards what the server has answered without reading it.
      const bool is_reset_behind = std::ranges::any_of(
          requests, [](const PlannedRequest& r) { return r.forwardable > 0 && r.refusal.has_value(); });
      if (request.answers_early && is_reset_behind) continue;
      EXPECT_EQ(received_[request.id], request.wire.size() + request.tunnelled.size());
    }
  }

  /// A line's bytes are those of its request, unless the connection ends with it: then what came behind
  /// counts, too.
  static std::size_t whole_length(const Requests& requests, std::size_t from) {
    std::size_t length = 0;
    for (std::size_t i = from; i < requests.size(); ++i)
      length += requests[i].wire.size() + requests[i].tunnelled.size();
    return length;
  }

  const bool faulty_;
  Random random_;
  const SimulatedFaults faults_;
  const std::size_t limit_;
  RequestPlans plans_;
  std::vector<Requests> requests_;                 // by client
  std::map<std::uint64_t, std::size_t> received_;  // by servers, of each request
  std::map<std::size_t, std::size_t> answered_;    // requests, by client
  DispatchWorld dispatch_;
};

TEST(HttpRunsTest, EveryRequestIsAnsweredByItsOwnBackend) {
  run_seeds<HttpRun>(1500, false);
}

TEST(HttpRunsTest, FaultsNeverMixRequestsOrResponses) {
  run_seeds<HttpRun>(3000, true);
}

}  // namespace
}  // namespace portshare
