// What a dispatcher serves: how it is prepared, and how it changes while connections go on.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <memory>
#include <system_error>
#include <utility>

#include "dispatch/dispatcher.h"
#include "dispatch/loops.h"
#include "platform/resolver.h"
#include "platform/transparent.h"

namespace portshare {

namespace {

Dispatcher::Outcome check_transparency(const Config& config) {
  for (const BackendConfig& backend : config.backends) {
    if (!backend.is_transparent) continue;
    if (const auto allowed = can_connect_transparently(); !allowed) {
      return std::unexpected(
          fmt::format("{}:{}: backend '{}': transparent: {}; grant it (AmbientCapabilities=CAP_NET_ADMIN in "
                      "a systemd unit), or "
                      "take the key away, and see docs/transparent.md",
                      config.file, backend.line, backend.name, allowed.error()));
    }
  }
  return {};
}

/// Where listeners take connections. The addresses that a wildcard with exceptions stands for change, so it
/// counts as a whole.
std::vector<ListenerAddress> addresses_of(const Config& config, const std::vector<ListeningSocket>& sockets) {
  std::vector<ListenerAddress> listening;
  listening.reserve(sockets.size());
  for (const ListeningSocket& socket : sockets) {
    listening.push_back({.listener = socket.listener, .address = socket.address});
  }
  for (std::uint32_t listener = 0; listener < config.listeners.size(); ++listener) {
    const ListenerConfig& each = config.listeners[listener];
    for (const SocketAddress& address : each.bind) {
      if (each.expands(address)) listening.push_back({.listener = listener, .address = address});
    }
  }
  return listening;
}

}  // namespace

/// Names that are known already were not asked for: a reload waits for new ones alone.
std::expected<ServerPool, std::string> Dispatcher::resolve_servers(const Config& config,
                                                                   const HostAnswers& answers) {
  const auto answer = [&](const std::string& host) {
    const auto found = answers.find(host);
    assert(found != answers.end());
    return found->second;
  };
  std::vector<std::string> unresolved;
  auto servers = ServerPool::resolve(
      config, [&](const std::string& host) { return names_->addresses_of(host, answer); }, *registry_,
      &unresolved);
  if (servers) {
    for (const std::string& sentence : unresolved) spdlog::warn("{}; it is left out", sentence);
  }
  return servers;
}

/// Everything that a configuration needs, without touching what runs.
Dispatcher::Outcome Dispatcher::prepare(Snapshot& snapshot, std::shared_ptr<const Config> config,
                                        const HostAnswers& answers) {
  if (auto allowed = check_transparency(*config); !allowed) return allowed;
  auto servers = resolve_servers(*config, answers);
  if (!servers) return std::unexpected(std::move(servers.error()));
  auto file = open_access_log(config->server.log, config->server.user);
  if (!file) return std::unexpected(std::move(file.error()));
  auto sockets = sockets_.open_for(*config);
  if (!sockets) return std::unexpected(std::move(sockets.error()));

  if (auto sound = check_loops(*config, addresses_of(*config, *sockets), *servers); !sound) {
    sockets_.close_all_but(snapshot.sockets);
    return sound;
  }
  sockets_.warn_about_unused(*config);
  access_log_file_ = std::move(*file);
  const bool has_before = snapshot.config != nullptr;
  snapshot.admission = has_before ? std::make_shared<const Admission>(*config, admission_key_,
                                                                      *snapshot.config, *snapshot.admission)
                                  : std::make_shared<const Admission>(*config, admission_key_);
  snapshot.servers = std::make_shared<const ServerPool>(std::move(*servers));
  snapshot.metric_ids = metric_names_.ids_for(*config);
  snapshot.sockets = std::move(*sockets);
  snapshot.config = std::move(config);
  return {};
}

void Dispatcher::reload(std::shared_ptr<const Config> config, HostAnswers answers,
                        std::function<void(Outcome)> done) {
  change([this, config = std::move(config),
          answers = std::move(answers)](Snapshot& snapshot) { return prepare(snapshot, config, answers); },
         std::move(done));
}

void Dispatcher::look_up_names(const Config& config, std::function<void(HostAnswers)> done) {
  names_->learn(config, std::move(done));
}

void Dispatcher::change(std::function<Outcome(Snapshot&)> change, std::function<void(Outcome)> done) {
  changes_.push_back({.make = std::move(change), .done = std::move(done)});
  if (changes_.size() == 1) make_next_change();
}

void Dispatcher::open_access_log_again() {
  const auto open = [this](Snapshot& snapshot) -> Outcome {
    auto file = open_access_log(snapshot.config->server.log, snapshot.config->server.user);
    if (!file) return std::unexpected(std::move(file.error()));
    access_log_file_ = std::move(*file);
    return {};
  };
  change(open, [](const Outcome& outcome) {
    if (outcome) {
      spdlog::info("the access log was opened again");
    } else {
      spdlog::error("the access log stays as it is: {}", outcome.error());
    }
  });
}

void Dispatcher::follow_addresses(std::function<void(bool is_waiting)> done) {
  const auto follow = [this](Snapshot& snapshot) -> Outcome {
    auto sockets = sockets_.open_for(*snapshot.config, ListeningSockets::Unavailable::waits);
    if (!sockets) return std::unexpected(std::move(sockets.error()));
    if (*sockets == snapshot.sockets) return std::unexpected(std::string());  // as it was
    for (const ListeningSocket& socket : snapshot.sockets) {
      if (std::ranges::find(*sockets, socket) != sockets->end()) continue;
      spdlog::info("listener '{}' leaves {}: the address has gone",
                   snapshot.config->listeners[socket.listener].name, socket.address.to_string());
    }
    snapshot.sockets = std::move(*sockets);
    return {};
  };
  change(follow, [this, done = std::move(done)](const Outcome& outcome) {
    if (!outcome && !outcome.error().empty() && !draining_) spdlog::error("{}", outcome.error());
    done(sockets_.is_waiting());
  });
}

void Dispatcher::make_next_change() {
  Snapshot snapshot = *snapshot_;
  ++snapshot.number;
  Outcome made = [&]() -> Outcome {
    if (draining_) return std::unexpected(std::string("the program is shutting down"));
    if (watch_->stuck_count() > 0) {
      return std::unexpected(std::string("a worker is stuck and would not follow; restart portshare"));
    }
    return changes_.front().make(snapshot);
  }();
  if (!made) return change_done(std::move(made));

  if (snapshot.config != snapshot_->config) {
    snapshot.admission->change_limits(*snapshot.config);
    sockets_.apply_deferral(*snapshot.config, snapshot.sockets);
  }
  snapshot_ = std::make_shared<const Snapshot>(std::move(snapshot));
  watch_servers();
  access_log_->adopt(snapshot_, access_log_file_);
  sockets_.stop_handshakes_of_all_but(snapshot_->sockets);
  // A socket that is no longer wanted is closed when the last worker has stopped taking connections from it.
  const auto left = std::make_shared<std::size_t>(0);
  const auto adopted = [this, left] {
    if (--*left > 0) return;
    sockets_.close_all_but(snapshot_->sockets);
    change_done({});
  };
  *left = 1 + post([this, adopted, newest = snapshot_](Worker& worker) {
            worker.adopt(newest, [this, adopted] { on_control(adopted); });
          });
  on_control(adopted);
}

/// Many a configuration has no names, and then there is no thread for them.
void Dispatcher::look_up(const std::string& host, std::function<void(DnsResolver::Answer)> done) {
  try {
    if (!dns_) dns_.emplace();
  } catch (const std::system_error& failure) {
    return done(std::unexpected(
        fmt::format("cannot resolve {}: cannot start a thread: {}", host, failure.code().message())));
  }
  dns_->look_up(host, std::move(done));
}

/// A name stands for other addresses than before.
void Dispatcher::names_changed() {
  const auto make = [this](Snapshot& snapshot) -> Outcome {
    const auto known = [this](const std::string& host) { return names_->known(host); };
    auto servers = ServerPool::resolve(*snapshot.config, known, *registry_);
    if (!servers) return std::unexpected(std::move(servers.error()));
    if (auto sound =
            check_loops(*snapshot.config, addresses_of(*snapshot.config, snapshot.sockets), *servers);
        !sound) {
      return sound;
    }
    snapshot.servers = std::make_shared<const ServerPool>(std::move(*servers));
    return {};
  };
  change(make, [](const Outcome& outcome) {
    if (!outcome) spdlog::error("the servers stay as they were: {}", outcome.error());
  });
}

void Dispatcher::watch_servers() {
  health_->adopt(*snapshot_->config, *snapshot_->servers);
  names_->adopt(*snapshot_->config);
  registry_->forget_unused();
}

void Dispatcher::change_done(Outcome outcome) {
  const auto done = std::move(changes_.front().done);
  changes_.pop_front();
  // The next one first, so that whoever is called may ask for another.
  if (!changes_.empty()) make_next_change();
  done(std::move(outcome));
}

}  // namespace portshare
