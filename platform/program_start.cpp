#include "platform/program_start.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace portshare {

namespace {

constexpr const char* channel_variable = "PORTSHARE_TAKEOVER";
// The first number that is not a standard stream.
constexpr int channel_descriptor = 3;

/// What was written on the command line: proc_pid_cmdline(5).
std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(std::move(argument));
  return arguments;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// <sys/pidfd.h> of glibc 2.36 cannot be used from C++, hence syscall(2) for pidfds.

/// The arguments of posix_spawn(3), and what came of it.
struct Spawn {
  const char* path;
  const posix_spawn_file_actions_t* actions;
  const posix_spawnattr_t* attributes;
  char* const* arguments;
  char* const* environment;
  int error = 0;
  pid_t pid = 0;
  int process = -1;
};

void reap(pid_t pid) {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

int spawn(void* data) {
  Spawn& spawn = *static_cast<Spawn*>(data);
  spawn.error = ::posix_spawn(&spawn.pid, spawn.path, spawn.actions, spawn.attributes, spawn.arguments,
                              spawn.environment);
  if (spawn.error != 0) return 0;
  // As long as it is the caller's child, nobody else gets its number.
  spawn.process = static_cast<int>(::syscall(SYS_pidfd_open, spawn.pid, 0));
  if (spawn.process >= 0) return 0;
  spawn.error = errno;
  ::kill(spawn.pid, SIGKILL);
  reap(spawn.pid);
  return 0;
}

#ifdef __SANITIZE_THREAD__
// ThreadSanitizer takes each clone() for a fork(), which it notes in our memory: after that this program may
// not start a thread, and what this thread does to be in step with others is no longer seen (which
// die_after_fork=0 does not mend). The C library has the function by another name, too.
extern "C" int clone_process(int (*function)(void*), void* stack, int flags, void* argument,
                             ...) __asm__("__clone");
#else
constexpr auto clone_process = &::clone;
#endif

/// In a process between the two, which then ends and leaves an orphan. It has all of our memory, since a copy
/// of that would take long, and our descriptors; this thread stands still until its end, as with vfork(2).
void spawn_orphan(Spawn& orphan) {
  std::vector<std::byte> stack(std::size_t{256} * 1024);
  const pid_t between = clone_process(&spawn, stack.data() + stack.size(),
                                      CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &orphan);
  if (between < 0) {
    orphan.error = errno;
    return;
  }
  reap(between);
}

/// Whether the process has ended, after at most so long; -1: for ever, or until a signal comes.
bool wait_for_end(const FileDescriptor& process, int patience_ms) {
  pollfd end{.fd = process.get(), .events = POLLIN, .revents = 0};
  return ::poll(&end, 1, patience_ms) == 1;
}

}  // namespace

std::string path_of_this_program() {
  const std::vector<std::string> arguments = own_arguments();
  const std::string called_as = arguments.empty() ? std::string() : arguments.front();
  if (called_as.contains('/') && ::access(called_as.c_str(), X_OK) == 0) {
    return std::filesystem::absolute(called_as).string();
  }
  std::error_code error;
  std::string path = std::filesystem::read_symlink("/proc/self/exe", error).string();
  // What the kernel appends when the file has been replaced (proc_pid_exe(5)).
  constexpr std::string_view deleted = " (deleted)";
  if (path.ends_with(deleted)) path.resize(path.size() - deleted.size());
  return path;
}

bool StartedProgram::has_ended() const {
  return wait_for_end(process_, 0);
}

void StartedProgram::kill() const {
  ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
  while (!wait_for_end(process_, -1)) {
  }
}

std::expected<StartedProgram, std::string> start_program(const std::string& path,
                                                         const SocketChannel& channel,
                                                         const std::vector<std::string>& variables) {
  if (::getpid() == 1) {
    return std::unexpected(
        "this program is the first process of its container, which ends with it: restart the container "
        "instead");
  }
  std::vector<std::string> arguments = own_arguments();
  if (arguments.empty()) return std::unexpected("cannot read the command line of this program from /proc");
  arguments.front() = path;
  std::vector<std::string> environment;
  for (char** each = environ; *each; ++each) environment.emplace_back(*each);
  environment.insert(environment.end(), variables.begin(), variables.end());
  environment.push_back(std::string(channel_variable) + "=" + std::to_string(channel_descriptor));

  posix_spawnattr_t attributes{};
  posix_spawn_file_actions_t actions{};
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_init(&actions);
  sigset_t none{};
  sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  // All others of ours are closed by the exec; this one, unless it has that number already, is a copy.
  ::posix_spawn_file_actions_adddup2(&actions, channel.descriptor(), channel_descriptor);

  std::vector<char*> argument_pointers = pointers_to(arguments);
  std::vector<char*> environment_pointers = pointers_to(environment);
  Spawn orphan{.path = path.c_str(),
               .actions = &actions,
               .attributes = &attributes,
               .arguments = argument_pointers.data(),
               .environment = environment_pointers.data()};
  spawn_orphan(orphan);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (orphan.error != 0) {
    return std::unexpected("cannot start '" + path + "': " + std::generic_category().message(orphan.error));
  }
  return StartedProgram(orphan.pid, FileDescriptor(orphan.process));
}

std::optional<SocketChannel> take_channel() {
  const char* const text = std::getenv(channel_variable);
  if (!text) return std::nullopt;
  int descriptor = -1;
  const char* const end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, descriptor);
  const bool is_number = error == std::errc() && rest == end;
  ::unsetenv(channel_variable);
  int type = 0;
  socklen_t size = sizeof(type);
  // Whoever sets the variable by hand, or a shell that kept it, has no channel.
  if (!is_number || ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
      type != SOCK_SEQPACKET) {
    return std::nullopt;
  }
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return SocketChannel(FileDescriptor(descriptor));
}

}  // namespace portshare
