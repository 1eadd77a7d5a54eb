// Programs that we start and end.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <utility>

namespace portshare {

/// A running command, with the processes that it starts. Its stdin is empty, its output goes where ours goes.
/// Destroying it ends it.
class ChildProcess {
 public:
  /// Runs `command` by /bin/sh in a process group of its own. The error is a sentence.
  [[nodiscard]] static std::expected<ChildProcess, std::string> start(const std::string& command);
  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess() { stop(); }

  [[nodiscard]] int pid() const { return pid_; }
  /// Whether it still runs.
  [[nodiscard]] bool is_running();
  /// SIGTERM to its group, and after a grace period SIGKILL. Returns when it has ended.
  void stop();

 private:
  explicit ChildProcess(int pid) : pid_(pid) {}
  int pid_;  // also that of the group; 0: it has ended
};

}  // namespace portshare
