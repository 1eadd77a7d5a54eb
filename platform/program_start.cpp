#include "platform/program_start.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
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

}  // namespace

std::string path_of_this_program() {
  std::error_code error;
  std::string path = std::filesystem::read_symlink("/proc/self/exe", error).string();
  // What the kernel appends when the file has been replaced (proc_pid_exe(5)).
  constexpr std::string_view deleted = " (deleted)";
  if (path.ends_with(deleted)) path.resize(path.size() - deleted.size());
  return path;
}

void StartedProgram::kill() {
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::expected<StartedProgram, std::string> start_program(const std::string& path,
                                                         const SocketChannel& channel,
                                                         const std::vector<std::string>& variables) {
  std::vector<std::string> arguments = own_arguments();
  if (arguments.empty()) return std::unexpected("cannot read the command line of this program from /proc");
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
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, path.c_str(), &actions, &attributes, argument_pointers.data(),
                                  environment_pointers.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return std::unexpected("cannot start '" + path + "': " + std::generic_category().message(error));
  }
  return StartedProgram(pid);
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
