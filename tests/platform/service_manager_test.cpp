#include "platform/service_manager.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>

#include "tests/platform/in_child.h"
#include "tests/platform/temporary_folder.h"

namespace portshare {
namespace {

using testing::MatchesRegex;

/// The manager's end: a datagram socket at `name`, a path or "@" and an abstract name.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& name) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), length), 0) << name;
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;
  ~NotifySocket() { ::close(socket_); }

  /// The next message; empty if there is none. A datagram on this host has arrived when it is sent.
  [[nodiscard]] std::string receive() const {
    char message[512];
    const ssize_t length = ::recv(socket_, message, sizeof message, 0);
    return length < 0 ? std::string() : std::string(message, static_cast<std::size_t>(length));
  }

 private:
  int socket_;
};

std::int64_t monotonic_microseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::floor<std::chrono::microseconds>(now).count();
}

TEST(ServiceManager, IsToldEverything) {
  const TemporaryFolder folder;
  for (const std::string& name : {folder.file("notify"), "@portshare-test-" + std::to_string(::getpid())}) {
    const NotifySocket socket(name);
    const auto manager = ServiceManager::from_environment();
    EXPECT_TRUE(manager.is_listening());
    EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
    manager.ready();
    EXPECT_EQ(socket.receive(), "READY=1") << name;
    manager.stopping();
    EXPECT_EQ(socket.receive(), "STOPPING=1");
    manager.status("two\nlines");
    EXPECT_EQ(socket.receive(), "STATUS=two lines");
    manager.keep_alive();
    EXPECT_EQ(socket.receive(), "WATCHDOG=1");
    manager.main_process(4711);
    EXPECT_EQ(socket.receive(), "MAINPID=4711");
    manager.extend_timeout(std::chrono::seconds{5});
    EXPECT_EQ(socket.receive(), "EXTEND_TIMEOUT_USEC=5000000");
    EXPECT_EQ(socket.receive(), "");
  }
}

TEST(ServiceManager, AReloadCarriesTheTime) {
  const TemporaryFolder folder;
  const NotifySocket socket(folder.file("notify"));
  const auto manager = ServiceManager::from_environment();
  const auto before = monotonic_microseconds();
  manager.reloading();
  const auto after = monotonic_microseconds();
  const std::string message = socket.receive();
  ASSERT_THAT(message, MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
  const auto time = std::stoll(message.substr(message.rfind('=') + 1));
  EXPECT_GE(time, before);
  EXPECT_LE(time, after);
}

TEST(ServiceManager, ThatIsNotThereIsToldNothing) {
  const ServiceManager nobody;
  EXPECT_FALSE(nobody.is_listening());
  nobody.ready();
  const TemporaryFolder folder;
  for (const std::string& name : {std::string("relative"), std::string("/"), std::string("vsock:2:1"),
                                  "/" + std::string(200, 'x'), folder.file("nobody")}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    const auto manager = ServiceManager::from_environment();
    EXPECT_EQ(manager.is_listening(), name == folder.file("nobody")) << name;
    manager.ready();  // goes nowhere
  }
}

TEST(ServiceManager, AWatchdogIsForOneProcess) {
  const std::string own_pid = std::to_string(::getpid());
  const auto timeout_with = [](const char* usec, const char* pid) {
    ::setenv("WATCHDOG_USEC", usec, 1);
    if (pid) ::setenv("WATCHDOG_PID", pid, 1);
    const auto manager = ServiceManager::from_environment();
    EXPECT_EQ(std::getenv("WATCHDOG_USEC"), nullptr);
    EXPECT_EQ(std::getenv("WATCHDOG_PID"), nullptr);
    return manager.watchdog_timeout();
  };
  EXPECT_EQ(timeout_with("30000000", own_pid.c_str()), std::chrono::seconds{30});
  EXPECT_EQ(timeout_with("30000000", nullptr), std::chrono::seconds{30});
  EXPECT_EQ(timeout_with("30000000", "1"), std::nullopt);
  for (const char* usec : {"", "0", "-1", "1s", "99999999999999999999"}) {
    EXPECT_EQ(timeout_with(usec, nullptr), std::nullopt) << usec;
  }
}

/// Puts two sockets where the service manager would, and says what came of it: names, and the variables that
/// are left.
std::string passed_with(const char* count, const char* names, bool for_this_process = true) {
  return in_child([&] {
    for (const int descriptor : {3, 4}) {
      const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
      if (socket != descriptor && ::dup2(socket, descriptor) < 0) return std::string("no socket");
    }
    ::close(5);
    ::setenv("LISTEN_PID", std::to_string(::getpid() + (for_this_process ? 0 : 1)).c_str(), 1);
    ::setenv("LISTEN_FDS", count, 1);
    if (names) ::setenv("LISTEN_FDNAMES", names, 1);
    std::string result;
    auto manager = ServiceManager::from_environment();
    for (const PassedSocket& passed : manager.take_passed_sockets()) {
      const int descriptor = std::to_underlying(passed.socket);
      const bool is_inherited = (::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) == 0;
      result += std::to_string(descriptor) + passed.name + (is_inherited ? " inherited" : "") + ";";
    }
    for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
      if (std::getenv(variable)) result.append(" left: ").append(variable);
    }
    return result;
  });
}

TEST(ServiceManager, SocketsComeWithTheirNames) {
  EXPECT_EQ(passed_with("2", "web:ssh"), "3web;4ssh;");
  EXPECT_EQ(passed_with("2", "web:web"), "3web;4web;");
  EXPECT_EQ(passed_with("1", "web"), "3web;");
}

TEST(ServiceManager, SocketsWithoutNamesAreUnknown) {
  EXPECT_EQ(passed_with("2", nullptr), "3unknown;4unknown;");
  EXPECT_EQ(passed_with("2", "web"), "3web;4unknown;");
}

TEST(ServiceManager, WhatMakesNoSenseIsNoSocket) {
  EXPECT_EQ(passed_with("2", "web:ssh", false), "");
  for (const char* count : {"0", "", "-2", "x", "18446744073709551616"}) {
    EXPECT_EQ(passed_with(count, "web:ssh"), "") << count;
  }
  EXPECT_EQ(passed_with("3", "web:ssh:mail"), "3web;4ssh;") << "only two are open";
}

TEST(ServiceManager, ClosesTheSocketsThatNobodyTakes) {
  EXPECT_EQ(in_child([]() -> std::string {
              if (const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
                  socket != 3 && ::dup2(socket, 3) < 0) {
                return "no socket";
              }
              ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
              ::setenv("LISTEN_FDS", "1", 1);
              auto first = ServiceManager::from_environment();
              {
                const ServiceManager second = std::move(first);
                if (::fcntl(3, F_GETFD) < 0) return "closed by the move";
              }
              return ::fcntl(3, F_GETFD) < 0 ? "" : "still open";
            }),
            "");
}

TEST(ServiceManager, SpeaksFromWhereItIsMoved) {
  const TemporaryFolder folder;
  const NotifySocket socket(folder.file("notify"));
  auto first = ServiceManager::from_environment();
  const ServiceManager second = std::move(first);
  EXPECT_FALSE(first.is_listening());  // NOLINT(bugprone-use-after-move): what is left is defined
  first.ready();
  EXPECT_EQ(socket.receive(), "");
  second.ready();
  EXPECT_EQ(socket.receive(), "READY=1");
}

}  // namespace
}  // namespace portshare
