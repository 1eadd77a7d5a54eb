// The production worker between scripted clients and servers, on the simulated network.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dispatch/access_log.h"
#include "dispatch/admission.h"
#include "dispatch/config.h"
#include "dispatch/server_pool.h"
#include "dispatch/worker.h"
#include "tests/simulation/scripted_client.h"
#include "tests/simulation/scripted_server.h"
#include "tests/simulation/simulated_world.h"

namespace portshare {

/// What one line of the access log says.
struct LoggedConnection {
  AccessRecord record;
  std::string name;
  std::string alpn;
};

/// Where clients connect to.
inline const SocketAddress front_address{.ip = IpEndpoint{IpAddress::v4({198, 51, 100, 1}), 443},
                                         .unix_path = {}};

inline SocketAddress server_address(std::size_t backend, std::size_t server) {
  const auto host = static_cast<std::uint8_t>(10 * (backend + 1) + server);
  return {.ip = IpEndpoint{IpAddress::v4({192, 0, 2, host}), 8000}, .unix_path = {}};
}

/// After every change of the rules.
inline void build_routes(Config& config) {
  auto table = RouteTable::build(config.rules, static_cast<std::uint32_t>(config.listeners.size()));
  config.routes = std::move(*table);
  summarise_rules(config);
}

/// What reading the same file again brings.
inline Config read_again(const Config& config) {
  Config again{.file = config.file,
               .server = config.server,
               .listeners = config.listeners,
               .backends = config.backends,
               .rules = config.rules,
               .rule_digests = {},
               .routes = {}};
  build_routes(again);
  return again;
}

/// One listener with a first flight of every kind, and a route by name for each of `backend_count` backends:
/// "app0.example" to "appN.example", and ssh to the first one.
class DispatchWorld {
 public:
  /// Called for each connection that a server accepts.
  using ServerScripts =
      std::function<PeerScript(std::size_t backend, std::size_t server, std::size_t connection)>;

  DispatchWorld(std::uint64_t seed, const SimulatedFaults& faults, Config config,
                const ServerScripts& scripts, std::size_t max_sessions = SIZE_MAX)
      : config_(std::make_shared<const Config>(std::move(config))),
        pool_(std::make_shared<const ServerPool>(*ServerPool::resolve(*config_, {}, registry_))),
        admission_(std::make_shared<const Admission>(*config_, SipKey{seed, ~seed})),
        world_(seed, faults),
        random_(seed ^ 0xd15) {
    for (std::size_t backend = 0; backend < config_->backends.size(); ++backend) {
      for (std::size_t server = 0; server < config_->backends[backend].servers.size(); ++server) {
        servers_[{backend, server}] = std::make_unique<ScriptedServer>(
            world_.loop, Random(random_.next()), world_.network.listen(server_address(backend, server)),
            [=](std::size_t connection) { return scripts(backend, server, connection); });
      }
    }
    listener_ = world_.network.listen(front_address);
    max_sessions_ = max_sessions;
    worker_ = make_worker();
    for (const auto& [place, server] : servers_) server->start();
    worker_->start();
  }

  ScriptedClient& add_client(PeerScript script) {
    clients_.emplace_back(world_.loop, Random(random_.next()), front_address, std::move(script));
    clients_.back().start();
    return clients_.back();
  }

  /// A reload: another configuration for the same listening socket. `adopted` is called when it is in force.
  void reload(Config config, std::function<void()> adopted) {
    auto after = std::make_shared<const Config>(std::move(config));
    pool_ = std::make_shared<const ServerPool>(*ServerPool::resolve(*after, {}, registry_));
    admission_ = std::make_shared<const Admission>(*after, SipKey{1, 2}, *config_, *admission_);
    admission_->change_limits(*after);
    config_ = std::move(after);
    worker_->adopt(snapshot(++reloads_), std::move(adopted));
  }

  /// Reads the same configuration again, some times in the next 100 ms: nobody must notice.
  void reload_now_and_then() {
    std::size_t adopted = 0;
    const std::size_t count = 1 + random_.below(4);
    for (std::size_t i = 0; i < count; ++i) {
      const auto moment = world_.network.now() + std::chrono::milliseconds{random_.below(25)};
      run_until([&] { return world_.network.now() >= moment; }, std::chrono::minutes{1});
      reload(read_again(*config_), [&] { ++adopted; });
    }
    EXPECT_TRUE(run_until([&] { return adopted == count; }, std::chrono::minutes{1}));
  }

  /// An upgrade: another worker takes the place of this one, and what can move goes there. Some of it is
  /// refused, and stays.
  void hand_over() {
    if (draining_) return;
    // NOLINTBEGIN(misc-const-correctness): the lambdas change them
    std::deque<std::pair<Session*, MovedSession>> moving;
    Worker& before = *worker_;
    bool is_drained = false;
    // NOLINTEND(misc-const-correctness)
    before.hand_over(
        [&](Session& session, MovedSession state) { moving.emplace_back(&session, std::move(state)); }, [] {},
        [&] { is_drained = true; });
    auto successor = make_worker();
    successor->start();
    const auto& backend = world_.simulated();
    while (!is_drained) {
      // Who does not move ends by itself, some time.
      ASSERT_TRUE(run_until([&] { return is_drained || !moving.empty(); }, std::chrono::hours{48}));
      if (moving.empty()) continue;
      auto [session, state] = std::move(moving.front());
      moving.pop_front();
      ++moves_;
      if (random_.chance(1, 5)) {
        session->moved(false);
        continue;
      }
      session->moved(true);
      ASSERT_TRUE(run_until(
          [&, &moved = state] { return !backend.knows(moved.client) && !backend.knows(moved.server); },
          std::chrono::minutes{1}));
      ASSERT_TRUE(successor->take_over(state));
    }
    earlier_counters_.add(before.metrics().counters);
    worker_ = std::move(successor);
  }
  void hand_over_at_some_time() {
    const auto moment = world_.network.now() + std::chrono::milliseconds{random_.below(50)};
    run_until([&] { return world_.network.now() >= moment; }, std::chrono::minutes{1});
    hand_over();
  }
  [[nodiscard]] std::size_t moves() const { return moves_; }

  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds longest) {
    const bool finished = world_.run_until(done, longest);
    collect_log();
    return finished;
  }

  /// What SIGTERM does: no more accepts, and what runs may end.
  void drain() {
    if (std::exchange(draining_, true)) return;
    worker_->drain([this] { stopped_accepting_ = true; }, [this] { drained_ = true; });
  }
  [[nodiscard]] bool is_drained() const { return stopped_accepting_ && drained_; }

  /// Ends the program, then the servers. False if anything does not come to an end by itself.
  bool stop(std::chrono::milliseconds longest) {
    drain();
    const bool in_time = run_until([&] { return is_drained(); }, longest);
    if (!in_time) worker_->terminate_all();
    if (!run_until([&] { return is_drained(); }, std::chrono::minutes{1})) return false;
    world_.network.close_listener(listener_);
    for (const auto& [place, server] : servers_) server->stop();
    const auto all_stopped = [&] {
      for (const auto& [place, server] : servers_) {
        if (!server->is_stopped()) return false;
      }
      return true;
    };
    return run_until(all_stopped, std::chrono::hours{24}) && in_time;  // servers have patience
  }

  SimulatedWorld& world() { return world_; }
  Worker& worker() { return *worker_; }
  /// Of all workers that there have been.
  [[nodiscard]] Counters counters() {
    Counters sum = earlier_counters_;
    sum.add(worker_->metrics().counters);
    return sum;
  }
  /// Of the one listener; null if it has no limit.
  ListenerAdmission* admission() { return admission_->of(0); }
  const Config& config() const { return *config_; }
  const ServerPool& pool() const { return *pool_; }
  std::deque<ScriptedClient>& clients() { return clients_; }
  ScriptedServer& server(std::size_t backend, std::size_t server) { return *servers_.at({backend, server}); }
  const std::map<std::pair<std::size_t, std::size_t>, std::unique_ptr<ScriptedServer>>& servers() const {
    return servers_;
  }
  const std::vector<LoggedConnection>& logged() const { return logged_; }

 private:
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot(std::uint32_t number) const {
    return std::make_shared<const Snapshot>(Snapshot{.number = number,
                                                     .config = config_,
                                                     .servers = pool_,
                                                     .admission = admission_,
                                                     .sockets = {{.listener = 0, .socket = listener_}}});
  }

  [[nodiscard]] std::unique_ptr<Worker> make_worker() {
    WorkerOptions options;
    options.max_sessions = max_sessions_;
    options.access_log = &log_;
    return std::make_unique<Worker>(world_.loop, snapshot(reloads_), std::move(options));
  }

  void collect_log() {
    LoggedConnection line;
    while (log_.pop(line.record, line.name, line.alpn)) logged_.push_back(line);
  }

  std::shared_ptr<const Config> config_;
  ServerRegistry registry_{1};
  std::shared_ptr<const ServerPool> pool_;
  std::shared_ptr<const Admission> admission_;
  std::uint32_t reloads_ = 0;
  Counters earlier_counters_;
  std::size_t max_sessions_ = SIZE_MAX;
  std::size_t moves_ = 0;
  SimulatedWorld world_;
  Random random_;
  AccessLogRing log_;
  Socket listener_ = Socket::none;
  std::map<std::pair<std::size_t, std::size_t>, std::unique_ptr<ScriptedServer>> servers_;
  std::deque<ScriptedClient> clients_;
  std::unique_ptr<Worker> worker_;
  bool draining_ = false;
  bool stopped_accepting_ = false;
  bool drained_ = false;
  std::vector<LoggedConnection> logged_;
};

/// The configuration described at DispatchWorld.
inline Config dispatch_config(std::size_t backend_count, std::size_t servers_per_backend) {
  Config config;
  config.file = "simulation.toml";
  ListenerConfig listener;
  listener.name = "front";
  listener.bind = {front_address};
  listener.protocols.insert(Protocol::ssh);
  config.listeners.push_back(std::move(listener));
  for (std::size_t i = 0; i < backend_count; ++i) {
    BackendConfig backend;
    backend.name = "backend" + std::to_string(i);
    for (std::size_t server = 0; server < servers_per_backend; ++server) {
      ServerAddress entry;
      entry.address = server_address(i, server);
      entry.text = entry.address->to_string();
      backend.servers.push_back(std::move(entry));
    }
    config.backends.push_back(std::move(backend));
    RouteRule rule;
    rule.names.push_back(
        {.kind = NameMatcher::Kind::exact, .text = "app" + std::to_string(i) + ".example", .pattern = {}});
    rule.backend = static_cast<std::uint32_t>(i);
    rule.line = static_cast<std::uint32_t>(10 + i);
    config.rules.push_back(std::move(rule));
  }
  RouteRule ssh;
  ssh.protocols = {Protocol::ssh};
  ssh.backend = 0;
  ssh.line = 5;
  config.rules.push_back(std::move(ssh));
  build_routes(config);
  return config;
}

/// What was counted, when all connections have ended, is what the access log says.
inline void expect_counts_add_up(DispatchWorld& dispatch) {
  const Counters counters = dispatch.counters();
  std::uint64_t closed = 0;
  for (const std::uint64_t count : counters.closed_in_total()) closed += count;
  EXPECT_EQ(counters.accepted_in_total(), closed);
  EXPECT_EQ(counters.connection.count(), closed);
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  for (const BackendCounters& backend : counters.backends) {
    EXPECT_EQ(backend.connected, 0) << "a connection to a server was not counted out";
    bytes_in += backend.bytes_in;
    bytes_out += backend.bytes_out;
  }
  for (const LoggedConnection& line : dispatch.logged()) {
    bytes_in -= line.record.bytes_in;
    bytes_out -= line.record.bytes_out;
  }
  // A request that came too late to be served is in no record, but its bytes have come.
  EXPECT_GE(static_cast<std::int64_t>(bytes_in), 0) << "bytes received, less those in the access log";
  EXPECT_EQ(bytes_out, 0U) << "bytes sent, less those in the access log";
}

/// Lets every client come to its end, then stops the program. Nobody is left hanging, and nothing is left.
inline void run_to_the_end(DispatchWorld& dispatch) {
  constexpr std::chrono::hours longest_run{48};  // of the simulated clock
  ASSERT_TRUE(dispatch.run_until(
      [&] { return std::ranges::all_of(dispatch.clients(), &ScriptedClient::is_done); }, longest_run))
      << "a client is left hanging";
  ASSERT_TRUE(dispatch.stop(longest_run)) << "a session is left hanging";
  EXPECT_TRUE(dispatch.world().is_clean())
      << dispatch.world().network.open_sockets() << " sockets, " << dispatch.world().loop.pending()
      << " ops, " << dispatch.world().loop.buffers().outstanding() << " buffers";
  expect_counts_add_up(dispatch);
}

}  // namespace portshare
