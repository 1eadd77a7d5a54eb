// PROXY headers in and out over thousands of seeds with faults; see seeded_runs.h. However the bytes travel
// and whatever fails, a server that is told about clients is told about the one whose bytes follow.
#include <array>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/proxy_session.h"
#include "tests/simulation/seeded_runs.h"

namespace portshare {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr hours longest_run{48};

struct ProxiedClient {
  std::string header;               ///< of its proxy; empty: it comes without one
  std::optional<IpEndpoint> claim;  ///< what the header says; none: the real address counts
  std::string payload;              ///< its own bytes, which no other client sends
};

std::string header_text(Random& random, const IpEndpoint& source, const IpEndpoint& destination) {
  std::array<std::uint8_t, max_written_proxy_header_length> space{};
  return std::string(as_text(random.chance(1, 2)
                                 ? write_proxy_header_v1(source, destination, space)
                                 : write_proxy_header_v2(source, destination, "app0.example", "h2", space)));
}

ProxiedClient draw_client(Random& random, std::size_t index, std::size_t limit) {
  ProxiedClient client;
  client.payload = "SSH-2.0-" + std::to_string(index) + "\r\n" + draw_body(random, limit);
  if (random.chance(1, 5)) return client;
  if (random.chance(1, 6)) {
    client.header = random.chance(1, 2) ? "PROXY UNKNOWN\r\n" : test::version_2(0x20, 0x00, "");
    return client;
  }
  const auto port = static_cast<std::uint16_t>(1'000 + index);
  client.claim = random.chance(1, 3) ? IpEndpoint{*IpAddress::parse("2001:db8::7"), port}
                                     : IpEndpoint{*IpAddress::parse("203.0.113.7"), port};
  client.header = header_text(random, *client.claim, *front_address.ip);
  return client;
}

class ProxyRun {
 public:
  ProxyRun(std::uint64_t seed, bool faulty)
      : faulty_(faulty),
        random_(seed),
        faults_(faulty ? SimulatedFaults::draw(random_) : SimulatedFaults::draw_harmless(random_)),
        dispatch_(seed, faults_, draw_config(),
                  [this](std::size_t, std::size_t, std::size_t) { return draw_server_script(); }) {}

  void execute() {
    spdlog::set_level(spdlog::level::off);
    if (std::getenv("PORTSHARE_SIMULATION_TRACE")) dispatch_.world().network.log_to(stderr);
    for (std::size_t count = 1 + random_.below(12); count > 0; --count) {
      clients_.push_back(draw_client(random_, clients_.size(), body_limit(faults_)));
      dispatch_.add_client(draw_client_script(clients_.back()));
    }
    if (random_.chance(1, 4)) dispatch_.reload_now_and_then();
    if (faulty_ && random_.chance(1, 4)) {
      const auto moment = dispatch_.world().network.now() + milliseconds{random_.below(50)};
      dispatch_.run_until([&] { return dispatch_.world().network.now() >= moment; }, minutes{1});
      dispatch_.worker().terminate_all();
    }
    if (random_.chance(1, 4)) {
      ASSERT_NO_FATAL_FAILURE(dispatch_.hand_over_at_some_time());
    }
    ASSERT_TRUE(dispatch_.run_until(
        [&] { return std::ranges::all_of(dispatch_.clients(), &ScriptedClient::is_done); }, longest_run))
        << "a client is left hanging";
    ASSERT_TRUE(dispatch_.stop(longest_run)) << "a session is left hanging";
    EXPECT_TRUE(dispatch_.world().is_clean());
    for (const auto& [place, server] : dispatch_.servers()) {
      for (const auto& connection : server->connections()) check_server(place.first, connection->record());
    }
    if (!faulty_) check_healthy_clients();
  }

 private:
  const ListenerConfig& listener() const { return dispatch_.config().listeners[0]; }

  Config draw_config() {
    Config config = proxy_config(
        random_.chance(1, 2) ? ProxyHeaderPolicy::accept : ProxyHeaderPolicy::require, 1 + random_.below(3));
    ListenerConfig& listener = config.listeners[0];
    listener.idle_timeout = faulty_ ? minutes{10} : minutes{0};
    listener.first_flight_timeout = hours{2};
    if (faulty_) listener.first_flight_timeout = random_.chance(1, 2) ? milliseconds{20} : seconds{5};
    if (random_.chance(1, 4)) go_by_address(config);
    if (random_.chance(1, 4)) listener.silent_backend = 1;
    for (BackendConfig& backend : config.backends) {
      constexpr std::array versions{ProxyHeaderVersion::off, ProxyHeaderVersion::v1, ProxyHeaderVersion::v2};
      backend.proxy_header = versions[random_.below(versions.size())];
      backend.retries = static_cast<std::uint32_t>(random_.below(3));
      if (faulty_ && random_.chance(1, 3)) backend.connect_timeout = milliseconds{1 + random_.below(200)};
    }
    return config;
  }

  PeerScript draw_client_script(const ProxiedClient& client) {
    PeerScript script{.send = client.header + client.payload,
                      .chunk_max = 1 + random_.below(random_.chance(1, 2) ? 20 : 30'000),
                      .patience = hours{faulty_ ? 1 : 12}};
    if (!faulty_) return script;
    if (random_.chance(1, 6)) script.send_delay = milliseconds{random_.below(40)};
    if (random_.chance(1, 6)) script.reset_after_sent = random_.below(script.send.size());
    if (random_.chance(1, 6)) script.ending = PeerScript::Ending::close;
    return script;
  }

  PeerScript draw_server_script() {
    PeerScript script{.send = welcome, .patience = hours{faulty_ ? 1 : 12}};
    if (random_.chance(1, 2)) script.send_after = 1;
    if (!faulty_) return script;
    if (random_.chance(1, 6)) script.reset_after_sent = random_.below(welcome.size());
    if (random_.chance(1, 6)) script.reset_after_received = 1 + random_.below(60);
    if (random_.chance(1, 6)) {
      script.reads = false;
      script.patience = milliseconds{random_.below(100)};
    }
    return script;
  }

  /// The one client that `endpoint` stands for, by its proxy's word or as the real end of its connection.
  std::optional<std::size_t> client_of(const IpEndpoint& endpoint) {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      if (clients_[i].claim == endpoint || dispatch_.clients()[i].address() == endpoint) return i;
    }
    return std::nullopt;
  }

  /// Whether `bytes` are the beginning of what a server may get of this client. Who has been silent for too
  /// long to be waited for has no header any more: all that comes late is its own.
  bool may_come_from(std::size_t client, std::string_view bytes) const {
    const ProxiedClient& sender = clients_[client];
    const bool may_be_late = faulty_ && listener().proxy_header == ProxyHeaderPolicy::accept &&
                             (listener().silent_backend || !listener().reads_first_flight());
    return sender.payload.starts_with(bytes) ||
           (may_be_late && (sender.header + sender.payload).starts_with(bytes));
  }

  void check_server(std::size_t backend, const PeerRecord& record) {
    if (dispatch_.config().backends[backend].proxy_header == ProxyHeaderVersion::off) {
      bool is_somebodys = false;
      for (std::size_t i = 0; i < clients_.size(); ++i) is_somebodys |= may_come_from(i, record.received);
      EXPECT_TRUE(is_somebodys) << "a server received what nobody sent";
      return;
    }
    ProxyHeader header;
    const Verdict verdict = read_proxy_header(as_bytes(record.received), header);
    if (verdict == Verdict::need_more) {
      const bool ended_in_order = record.end_received && record.send_status == Status::ok;
      EXPECT_TRUE(faulty_ && !ended_in_order) << "half a header";
      return;
    }
    ASSERT_EQ(verdict, Verdict::recognised) << testing::PrintToString(record.received.substr(0, 100));
    ASSERT_TRUE(header.source && header.destination == front_address.ip);
    const auto client = client_of(*header.source);
    ASSERT_TRUE(client) << "a client that does not exist: " << header.source->to_string();
    EXPECT_TRUE(may_come_from(*client, std::string_view(record.received).substr(header.length)))
        << "the bytes of somebody else than client " << *client;
  }

  void check_healthy_clients() {
    ASSERT_EQ(dispatch_.logged().size(), clients_.size());
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      const ProxiedClient& client = clients_[i];
      const PeerRecord& record = dispatch_.clients()[i].record();
      const IpEndpoint shown = client.claim.value_or(*dispatch_.clients()[i].address());
      const auto line = std::ranges::find_if(dispatch_.logged(),
                                             [&](const auto& each) { return each.record.client == shown; });
      ASSERT_NE(line, dispatch_.logged().end()) << "client " << i << " stands nowhere in the log";
      if (client.header.empty() && listener().proxy_header == ProxyHeaderPolicy::require) {
        EXPECT_EQ(line->record.outcome, Outcome::malformed);
        EXPECT_EQ(record.received, "");
        continue;
      }
      EXPECT_EQ(line->record.outcome, Outcome::ok);
      EXPECT_EQ(line->record.bytes_in, client.payload.size());
      EXPECT_EQ(record.received, welcome);
      const std::size_t deliveries = count_of_payload(client.payload);
      EXPECT_EQ(deliveries, 1U);
    }
  }

  std::size_t count_of_payload(const std::string& payload) {
    std::size_t count = 0;
    for (const auto& [place, server] : dispatch_.servers()) {
      for (const auto& connection : server->connections())
        count += connection->record().received.ends_with(payload);
    }
    return count;
  }

  const bool faulty_;
  Random random_;
  const SimulatedFaults faults_;
  std::vector<ProxiedClient> clients_;
  DispatchWorld dispatch_;
};

void run_all(std::uint64_t count, bool faulty) {
  const SeedRange range = seeds(count);
  for (std::uint64_t seed = range.first; seed <= range.last; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ProxyRun(seed, faulty).execute();
    if (testing::Test::HasFailure()) return;
  }
}

TEST(ProxyRunsTest, EverybodyIsKnownOnAHealthyNetwork) {
  run_all(700, false);
}

TEST(ProxyRunsTest, FaultsNeverMixUpClients) {
  run_all(1500, true);
}

}  // namespace
}  // namespace portshare
