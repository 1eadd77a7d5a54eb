#include "platform/child_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <system_error>
#include <thread>

namespace portshare {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds grace_period{2000};
constexpr milliseconds look_interval{5};

}  // namespace

std::expected<ChildProcess, std::string> ChildProcess::start(const std::string& command) {
  posix_spawnattr_t attributes{};
  posix_spawn_file_actions_t actions{};
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_init(&actions);
  // We block and ignore signals that the child must see.
  sigset_t none{};
  sigemptyset(&none);
  sigset_t ignored{};
  sigemptyset(&ignored);
  sigaddset(&ignored, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &ignored);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

  std::string shell = "sh";
  std::string option = "-c";
  // With `exec` the command takes the shell's place, so that its pid is the child's.
  std::string line = "exec " + command;
  std::array<char*, 4> arguments{shell.data(), option.data(), line.data(), nullptr};
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0)
    return std::unexpected("cannot start '" + command + "': " + std::generic_category().message(error));
  return ChildProcess(pid);
}

bool ChildProcess::is_running() {
  if (pid_ == 0) return false;
  if (::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  ::kill(-pid_, SIGKILL);  // what it may have left behind
  pid_ = 0;
  return false;
}

void ChildProcess::stop() {
  if (pid_ == 0) return;
  ::kill(-pid_, SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + grace_period;
  while (is_running()) {
    if (std::chrono::steady_clock::now() > deadline) ::kill(-pid_, SIGKILL);
    std::this_thread::sleep_for(look_interval);
  }
}

}  // namespace portshare
