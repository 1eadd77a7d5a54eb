// What can be told about the servers behind the backends: for `status`, the metrics and the dashboard.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dispatch/config.h"

namespace portshare {

class ServerPool;

struct ServerStatus {
  /// What a server is for new connections. Those that it has go on in any case.
  enum class State : std::uint8_t {
    up,
    checking,  ///< it has health checks, and none has ended yet; it gets connections
    resting,   ///< several connects in a row have failed; tried again when its rest is over
    down,      ///< its health checks have failed, or connects which count as such
    draining,  ///< no new connections, by the operator's word; its health is still checked
    disabled,  ///< likewise, and not checked either
  };

  std::string
      address;  ///< "127.0.0.1:8001", "unix:/run/web.sock"; with the backend's name it tells servers apart
  std::string configured;  ///< as the file has it: the host name of which `address` is one
  std::uint32_t weight = 1;
  bool is_backup = false;

  State state = State::up;
  std::string reason;  ///< why, where there is more to say: "refused (3 checks failed)"
  std::optional<std::chrono::milliseconds> state_age;  ///< how long it has been in this state; none: always

  // Since the start, of all workers.
  std::uint32_t active_connections = 0;
  std::uint64_t total_connections = 0;  ///< that it has taken
  std::uint64_t failed_connects = 0;

  std::uint32_t max_connections = 0;                        ///< 0: no limit
  std::optional<std::chrono::milliseconds> last_check_age;  ///< none: never checked
  std::chrono::microseconds last_check_duration{0};
  std::uint64_t checks = 0;
  std::uint64_t failed_checks = 0;
};

struct BackendStatus {
  std::string name;
  Balance balance = Balance::round_robin;
  bool has_health_checks = false;
  std::uint32_t waiting_connections = 0;  ///< in the queue for a place at a server
  std::vector<ServerStatus> servers;      ///< those that are no backups first
};

std::string_view to_string(ServerStatus::State state);
std::string_view to_string(Balance balance);

/// One entry per backend with servers of its own, in the order of the configuration that `servers` was made
/// for. Any thread; the counts of connections that begin or end meanwhile may be a moment old. `now`: of any
/// loop.
[[nodiscard]] std::vector<BackendStatus> status_of(const Config& config, const ServerPool& servers,
                                                   std::chrono::microseconds now);

}  // namespace portshare
