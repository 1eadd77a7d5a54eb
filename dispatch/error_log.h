// The log for operators, on stderr: plain sentences, written by a thread of its own.
#pragma once

#include <memory>
#include <string>

#include "dispatch/config.h"

namespace spdlog {
class logger;
}

namespace portshare {

/// Makes spdlog's default logger asynchronous while it lives, so that `spdlog::info` and the others never
/// wait for a terminal or a pipe. When the writer cannot keep up, the oldest lines give way. One per program,
/// made before any other thread.
class ErrorLog {
 public:
  explicit ErrorLog(LogLevel level);
  ErrorLog(const ErrorLog&) = delete;
  ErrorLog& operator=(const ErrorLog&) = delete;
  /// Writes what is left. Later lines go nowhere.
  ~ErrorLog();

  /// A line for programs that wait for it: as it is, behind what was logged before. Does not wait either.
  void announce(const std::string& line);

 private:
  std::shared_ptr<spdlog::logger> announcer_;
};

/// Of the lines from now on. Thread-safe.
void set_log_level(LogLevel level);

}  // namespace portshare
