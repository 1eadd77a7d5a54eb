#include "dispatch/server_status.h"

#include <algorithm>
#include <cstdlib>

#include "dispatch/server_pool.h"

namespace portshare {

namespace {

using State = ServerStatus::State;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

State state_of(ServerState::Mode mode, const ServerState::Report& report) {
  if (mode == ServerState::Mode::disabled) return State::disabled;
  if (mode == ServerState::Mode::draining) return State::draining;
  if (report.is_down) return State::down;
  if (report.is_resting) return State::resting;
  return report.is_checked && report.checks == 0 ? State::checking : State::up;
}

/// Threads' clocks are a little apart.
milliseconds age(microseconds since, microseconds now) {
  return duration_cast<milliseconds>(std::max(now - since, microseconds{0}));
}

ServerStatus status_of(const Server& server, const BackendConfig& config, microseconds now) {
  const ServerState::Report report = server.state->report();
  const ServerAddress& configured = config.servers[server.configured];
  ServerStatus status;
  status.address = server.text;
  status.configured = configured.text;
  status.weight = server.weight;
  status.is_backup = configured.is_backup;
  status.state = state_of(server.state->mode(), report);
  status.reason = report.reason;
  if (report.changed_at != microseconds{0}) status.state_age = age(report.changed_at, now);
  status.active_connections = report.active_connections;
  status.total_connections = report.total_connections;
  status.failed_connects = report.failed_connects;
  status.max_connections = config.max_connections;
  if (report.checks != 0) status.last_check_age = age(report.checked_at, now);
  status.last_check_duration = report.check_duration;
  status.checks = report.checks;
  status.failed_checks = report.failed_checks;
  return status;
}

}  // namespace

std::string_view to_string(State state) {
  switch (state) {
    case State::up:
      return "up";
    case State::checking:
      return "checking";
    case State::resting:
      return "resting";
    case State::down:
      return "down";
    case State::draining:
      return "draining";
    case State::disabled:
      return "disabled";
  }
  std::abort();
}

std::string_view to_string(Balance balance) {
  switch (balance) {
    case Balance::round_robin:
      return "round_robin";
    case Balance::least_connections:
      return "least_connections";
    case Balance::source_hash:
      return "source_hash";
  }
  std::abort();
}

std::vector<BackendStatus> status_of(const Config& config, const ServerPool& servers, microseconds now) {
  std::vector<BackendStatus> all;
  for (std::uint32_t index = 0; index < servers.backend_count(); ++index) {
    const BackendConfig& backend = config.backends[index];
    BackendStatus status;
    status.name = backend.name;
    status.balance = backend.balance;
    status.has_health_checks = backend.health.has_value();
    status.waiting_connections = servers.backend(index).queue->size();
    for (const Server& server : servers.servers(index)) {
      status.servers.push_back(status_of(server, backend, now));
    }
    all.push_back(std::move(status));
  }
  return all;
}

}  // namespace portshare
