// What can be asked of the running program and done to it from outside, whatever the way.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

#include "dispatch/config.h"
#include "dispatch/control/connection_list.h"
#include "dispatch/control/metric_ids.h"
#include "dispatch/control/program_report.h"
#include "dispatch/reload_report.h"

namespace portshare {

/// What an operator has decided about a server.
enum class ServerWish : std::uint8_t { enabled, disabled, drain };

/// On the control thread. Answers may come later, on the same thread, and come exactly once.
class ControlledProgram {
 public:
  ControlledProgram() = default;
  ControlledProgram(const ControlledProgram&) = delete;
  ControlledProgram& operator=(const ControlledProgram&) = delete;
  virtual ~ControlledProgram() = default;

  virtual void report(std::function<void(ProgramReport)> done) = 0;
  [[nodiscard]] virtual const MetricRegistry& metric_names() const = 0;

  virtual void list_connections(ConnectionFilter filter, std::function<void(ConnectionList)> done) = 0;
  /// Resets all that match, and says how many they were. The limit of the filter does not count.
  virtual void end_connections(ConnectionFilter filter, std::function<void(std::size_t)> done) = 0;

  /// Reads the configuration again.
  virtual void reload(std::function<void(ReloadReport)> done) = 0;
  /// Stops accepting; the program ends after the last connection. Doing it again changes nothing.
  virtual void drain() = 0;
  /// Hands everything to a new process. `binary`: empty for the program's own file. Answers with a sentence
  /// about the new process, or with why it did not come up.
  virtual void upgrade(std::string binary,
                       std::function<void(std::expected<std::string, std::string>)> done) = 0;
  virtual void set_log_level(LogLevel level) = 0;
  /// The error is a sentence: there is no such backend or server.
  virtual std::expected<void, std::string> set_server(std::string_view backend, std::string_view address,
                                                      ServerWish wish) = 0;
};

}  // namespace portshare
