// All that the admin socket and the monitor tell about a running program, as it was at one moment.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/busy_names.h"
#include "core/socket_address.h"
#include "dispatch/config.h"
#include "dispatch/control/metric_ids.h"
#include "dispatch/control/worker_metrics.h"
#include "dispatch/listener_watch.h"
#include "dispatch/server_status.h"

namespace portshare {

/// How often the configuration was read again, and how the last time went.
struct ReloadStatus {
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::chrono::system_clock::time_point last_success{};  ///< the start counts as one
  bool last_succeeded = true;
  std::vector<std::string> faults;  ///< of the last one, if it has failed
};

struct ListenerReport {
  std::vector<SocketAddress> bound;
};

/// Whether new connections may go to it.
[[nodiscard]] inline bool takes_connections(const ServerStatus& server) {
  return server.state == ServerStatus::State::up || server.state == ServerStatus::State::checking;
}

struct ProgramReport {
  std::chrono::system_clock::time_point time{};
  std::chrono::system_clock::time_point started{};
  int pid = 0;
  std::string engine;
  bool is_draining = false;
  std::shared_ptr<const Config> config;
  std::shared_ptr<const MetricIds> ids;  ///< of `config`
  ReloadStatus reload;
  std::vector<ListenerReport> listeners;  ///< as in `config`
  std::vector<BackendStatus> backends;
  std::vector<SecondListener> second_listeners;
  std::vector<WorkerReport> workers;

  /// Of all workers.
  [[nodiscard]] Counters totals() const;
  [[nodiscard]] std::size_t connections() const;
  /// The most asked for, at most `limit`.
  [[nodiscard]] std::vector<BusyName> busiest_names(std::size_t limit) const;
  /// Over which they were counted.
  [[nodiscard]] std::chrono::microseconds names_time() const;
  /// The latest of all workers, the latest first, at most `limit`.
  [[nodiscard]] std::vector<RecordedFailure> failures(std::size_t limit) const;
};

}  // namespace portshare
