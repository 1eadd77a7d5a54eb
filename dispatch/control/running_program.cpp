#include "dispatch/control/running_program.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "dispatch/error_log.h"
#include "dispatch/server_state.h"
#include "dispatch/server_status.h"
#include "dispatch/supervisor.h"
#include "platform/process_id.h"

namespace portshare {

using std::chrono::system_clock;

namespace {

ServerState::Mode mode_of(ServerWish wish) {
  switch (wish) {
    case ServerWish::enabled:
      return ServerState::Mode::enabled;
    case ServerWish::disabled:
      return ServerState::Mode::disabled;
    case ServerWish::drain:
      return ServerState::Mode::draining;
  }
  std::abort();
}

}  // namespace

RunningProgram::RunningProgram(Supervisor& supervisor)
    : supervisor_(supervisor), started_(system_clock::now()) {
  reload_.last_success = started_;
}

ProgramReport RunningProgram::begin_report() const {
  const Dispatcher& dispatcher = supervisor_.dispatcher();
  const Snapshot& snapshot = *dispatcher.snapshot();
  ProgramReport report;
  report.time = system_clock::now();
  report.started = started_;
  report.pid = process_id();
  report.engine = to_string(dispatcher.engine());
  // For its clients the program goes on: in another process.
  report.is_draining = dispatcher.is_draining() && !dispatcher.is_handed_over();
  report.config = snapshot.config;
  report.ids = snapshot.metric_ids;
  report.reload = reload_;
  report.second_listeners = supervisor_.second_listeners();
  report.backends = status_of(*snapshot.config, *snapshot.servers, supervisor_.dispatcher().control().now());
  report.listeners.resize(snapshot.config->listeners.size());
  for (const ListeningSocket& socket : snapshot.sockets) {
    report.listeners[socket.listener].bound.push_back(socket.address);
  }
  return report;
}

void RunningProgram::report(std::function<void(ProgramReport)> done) {
  Dispatcher& dispatcher = supervisor_.dispatcher();
  // Each worker fills in its own place. One that has ended leaves it empty.
  const auto reports = std::make_shared<std::vector<WorkerReport>>(dispatcher.worker_count());
  dispatcher.ask_workers([reports](Worker& worker) { (*reports)[worker.index()] = worker.report(); },
                         [this, reports, done = std::move(done)] {
                           ProgramReport report = begin_report();
                           last_reports_.resize(reports->size());
                           const WorkerWatch& watch = supervisor_.dispatcher().watch();
                           for (std::size_t index = 0; index < reports->size(); ++index) {
                             // What it had counted is not gone.
                             if (watch.is_stuck(index)) {
                               (*reports)[index] = last_reports_[index];
                               (*reports)[index].is_stuck = true;
                             }
                           }
                           last_reports_ = *reports;
                           report.workers = std::move(*reports);
                           done(std::move(report));
                         });
}

const MetricRegistry& RunningProgram::metric_names() const {
  return supervisor_.dispatcher().metric_names();
}

void RunningProgram::list_connections(ConnectionFilter filter, std::function<void(ConnectionList)> done) {
  Dispatcher& dispatcher = supervisor_.dispatcher();
  const auto lists = std::make_shared<std::vector<ConnectionList>>(dispatcher.worker_count());
  dispatcher.ask_workers(
      [lists, filter](Worker& worker) { worker.list_connections(filter, (*lists)[worker.index()]); },
      [lists, limit = filter.limit, done = std::move(done)] {
        ConnectionList all;
        for (ConnectionList& list : *lists) {
          all.matching += list.matching;
          std::ranges::move(list.connections, std::back_inserter(all.connections));
        }
        std::ranges::stable_sort(all.connections, std::ranges::greater{}, &ConnectionInfo::age);
        if (all.connections.size() > limit) all.connections.resize(limit);
        done(std::move(all));
      });
}

void RunningProgram::end_connections(ConnectionFilter filter, std::function<void(std::size_t)> done) {
  Dispatcher& dispatcher = supervisor_.dispatcher();
  const auto counts = std::make_shared<std::vector<std::size_t>>(dispatcher.worker_count());
  dispatcher.ask_workers([counts, filter = std::move(filter)](
                             Worker& worker) { (*counts)[worker.index()] = worker.end_connections(filter); },
                         [counts, done = std::move(done)] {
                           std::size_t sum = 0;
                           for (const std::size_t count : *counts) sum += count;
                           done(sum);
                         });
}

void RunningProgram::reload(std::function<void(ReloadReport)> done) {
  supervisor_.reload([done = std::move(done)](const ReloadReport& report) { done(report); });
}

void RunningProgram::note(const ReloadReport& report) {
  reload_.last_succeeded = report.succeeded;
  reload_.faults = report.succeeded ? std::vector<std::string>{} : report.faults;
  ++(report.succeeded ? reload_.succeeded : reload_.failed);
  if (report.succeeded) reload_.last_success = system_clock::now();
}

void RunningProgram::drain() {
  supervisor_.drain();
}

void RunningProgram::upgrade(std::string binary,
                             std::function<void(std::expected<std::string, std::string>)> done) {
  supervisor_.upgrade(
      std::move(binary), [done = std::move(done)](const std::expected<int, std::string>& started) {
        if (!started) return done(std::unexpected(started.error()));
        done(fmt::format("process {} has taken the place of process {}", *started, process_id()));
      });
}

void RunningProgram::set_log_level(LogLevel level) {
  portshare::set_log_level(level);
}

std::expected<void, std::string> RunningProgram::set_server(std::string_view backend,
                                                            std::string_view address, ServerWish wish) {
  const std::shared_ptr<ServerState> server = supervisor_.dispatcher().registry().find(backend, address);
  if (!server) {
    return std::unexpected(fmt::format("there is no server '{}' in a backend '{}'", address, backend));
  }
  server->set_mode(mode_of(wish), supervisor_.loop().now());
  spdlog::info("backend '{}': server {} is {} by the operator", backend, address,
               wish == ServerWish::enabled    ? "enabled"
               : wish == ServerWish::disabled ? "disabled"
                                              : "draining");
  return {};
}

}  // namespace portshare
