#include "platform/service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace portshare {
namespace {

constexpr int first_passed_descriptor = 3;  // SD_LISTEN_FDS_START

// What a unit has as FileDescriptorName= where nobody wrote one, for managers that pass no names.
constexpr std::string_view unknown_name = "unknown";

/// The value of a variable, which is gone from the environment afterwards; empty if there was none.
std::string take(const char* variable) {
  const char* value = std::getenv(variable);
  std::string taken = value ? value : "";
  ::unsetenv(variable);
  return taken;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_this_process(std::string_view pid) {
  return parse_number(pid) == static_cast<std::uint64_t>(::getpid());
}

std::vector<PassedSocket> read_passed_sockets() {
  const std::string pid = take("LISTEN_PID");
  const std::string count = take("LISTEN_FDS");
  const std::string names = take("LISTEN_FDNAMES");
  std::vector<PassedSocket> sockets;
  if (!is_this_process(pid)) return sockets;
  std::string_view rest = names;
  const auto descriptors = parse_number(count).value_or(0);
  for (std::uint64_t i = 0; i < descriptors; ++i) {
    const int descriptor = first_passed_descriptor + static_cast<int>(i);
    // Fewer are open than were announced.
    if (::fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0) break;
    const std::size_t length = std::min(rest.find(':'), rest.size());
    const std::string_view name = rest.substr(0, length);
    rest.remove_prefix(std::min(length + 1, rest.size()));
    sockets.push_back(
        {.name = std::string(name.empty() ? unknown_name : name), .socket = Socket{descriptor}});
  }
  return sockets;
}

std::optional<std::chrono::microseconds> read_watchdog_timeout() {
  const std::string pid = take("WATCHDOG_PID");
  const auto timeout = parse_number(take("WATCHDOG_USEC"));
  const bool is_for_us = pid.empty() || is_this_process(pid);
  if (!is_for_us || !timeout || *timeout == 0 || *timeout > INT64_MAX) return std::nullopt;
  return std::chrono::microseconds{static_cast<std::int64_t>(*timeout)};
}

/// The length of the address; 0 if `text` is none.
socklen_t to_notify_address(std::string_view text, sockaddr_un& address) {
  const bool is_known = text.starts_with('/') || text.starts_with('@');
  if (!is_known || text.size() < 2 || text.size() >= sizeof(address.sun_path)) return 0;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, text.data(), text.size());
  if (text.front() == '@') address.sun_path[0] = '\0';
  const bool has_terminator = text.front() == '/';
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size() + (has_terminator ? 1 : 0));
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager manager;
  manager.passed_sockets_ = read_passed_sockets();
  manager.watchdog_timeout_ = read_watchdog_timeout();
  std::string address = take("NOTIFY_SOCKET");
  if (sockaddr_un parsed{}; to_notify_address(address, parsed) == 0) return manager;
  manager.notify_socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (manager.notify_socket_ < 0) return manager;
  const timeval longest_wait{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(manager.notify_socket_, SOL_SOCKET, SO_SNDTIMEO, &longest_wait, sizeof(longest_wait));
  manager.notify_address_ = std::move(address);
  return manager;
}

ServiceManager::ServiceManager(ServiceManager&& other) noexcept
    : notify_address_(std::exchange(other.notify_address_, {})),
      notify_socket_(std::exchange(other.notify_socket_, -1)),
      watchdog_timeout_(std::exchange(other.watchdog_timeout_, std::nullopt)),
      passed_sockets_(std::exchange(other.passed_sockets_, {})) {}

ServiceManager& ServiceManager::operator=(ServiceManager&& other) noexcept {
  if (this == &other) return *this;
  close();
  notify_address_ = std::exchange(other.notify_address_, {});
  notify_socket_ = std::exchange(other.notify_socket_, -1);
  watchdog_timeout_ = std::exchange(other.watchdog_timeout_, std::nullopt);
  passed_sockets_ = std::exchange(other.passed_sockets_, {});
  return *this;
}

ServiceManager::~ServiceManager() {
  close();
}

void ServiceManager::close() {
  for (const PassedSocket& passed : passed_sockets_) ::close(std::to_underlying(passed.socket));
  if (notify_socket_ >= 0) ::close(notify_socket_);
}

void ServiceManager::ready() const {
  send("READY=1");
}

void ServiceManager::reloading() const {
  // The manager compares it with the time of its signal, by the clock that all processes share:
  // CLOCK_MONOTONIC, which is steady_clock on Linux.
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto microseconds = std::chrono::floor<std::chrono::microseconds>(now);
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds.count()));
}

void ServiceManager::stopping() const {
  send("STOPPING=1");
}

void ServiceManager::status(std::string_view text) const {
  std::string message = "STATUS=";
  message.append(text);
  std::ranges::replace(message, '\n', ' ');
  send(message);
}

void ServiceManager::keep_alive() const {
  send("WATCHDOG=1");
}

void ServiceManager::main_process(int pid) const {
  send("MAINPID=" + std::to_string(pid));
}

void ServiceManager::extend_timeout(std::chrono::microseconds by) const {
  send("EXTEND_TIMEOUT_USEC=" + std::to_string(by.count()));
}

void ServiceManager::send(std::string_view message) const {
  sockaddr_un address{};
  const socklen_t length = to_notify_address(notify_address_, address);
  if (length == 0) return;
  // A manager that has gone away is no reason to do anything else than go on.
  static_cast<void>(::sendto(notify_socket_, message.data(), message.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&address), length));
}

std::vector<std::string> ServiceManager::variables_for_successor() const {
  std::vector<std::string> variables;
  if (!notify_address_.empty()) variables.push_back("NOTIFY_SOCKET=" + notify_address_);
  if (watchdog_timeout_) variables.push_back("WATCHDOG_USEC=" + std::to_string(watchdog_timeout_->count()));
  return variables;
}

}  // namespace portshare
