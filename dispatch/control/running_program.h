// The program behind the admin socket and the monitor: a supervisor with its dispatcher and workers.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "dispatch/control/controlled_program.h"

namespace portshare {

class Supervisor;

/// The supervisor must outlive it.
class RunningProgram final : public ControlledProgram {
 public:
  explicit RunningProgram(Supervisor& supervisor);

  void report(std::function<void(ProgramReport)> done) override;
  [[nodiscard]] const MetricRegistry& metric_names() const override;
  void list_connections(ConnectionFilter filter, std::function<void(ConnectionList)> done) override;
  void end_connections(ConnectionFilter filter, std::function<void(std::size_t)> done) override;
  void reload(std::function<void(ReloadReport)> done) override;
  void drain() override;
  void upgrade(std::string binary,
               std::function<void(std::expected<std::string, std::string>)> done) override;
  void set_log_level(LogLevel level) override;
  std::expected<void, std::string> set_server(std::string_view backend, std::string_view address,
                                              ServerWish wish) override;

  /// Of any reload, also one that a signal has asked for.
  void note(const ReloadReport& report);

 private:
  [[nodiscard]] ProgramReport begin_report() const;

  Supervisor& supervisor_;
  const std::chrono::system_clock::time_point started_;
  ReloadStatus reload_;
  std::vector<WorkerReport> last_reports_;  // by worker
};

}  // namespace portshare
