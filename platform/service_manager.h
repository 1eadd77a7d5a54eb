// The service manager that has started this process (systemd, or whoever speaks its protocol): the sockets
// that it passes on, and what it wants to hear.
//
// The protocol is three environment variables and a datagram socket; sd_notify(3), sd_listen_fds(3) and
// sd_watchdog_enabled(3) describe it and promise that it stays. libsystemd is not used, for two reasons: it
// finds the notification socket in the environment each time, where children would inherit it, and it brings
// the compression and cryptography libraries of the journal into a program that holds the host's ports.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/op.h"

namespace portshare {

/// A socket that the service manager had opened before it started this process.
struct PassedSocket {
  std::string name;  ///< FileDescriptorName= of its unit; several sockets may have the same one
  Socket socket;
};

/// Messages are sent from the thread that calls. The service manager has its queue emptied at once; should it
/// hang, a message is given up after a second.
class ServiceManager {
 public:
  /// There is none: everything that it would be told goes nowhere.
  ServiceManager() = default;

  /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID, and
  /// removes them, so that programs which this one starts do not take them for theirs. Variables that are
  /// meant for another process, or make no sense, count as not set. Before the first thread, since the
  /// environment has no lock, and once: the passed sockets belong to the result.
  [[nodiscard]] static ServiceManager from_environment();

  ServiceManager(ServiceManager&& other) noexcept;
  ServiceManager& operator=(ServiceManager&& other) noexcept;
  /// Closes the passed sockets that nobody has taken; the service manager has its own descriptors of them.
  ~ServiceManager();

  /// Whether somebody listens to what follows.
  [[nodiscard]] bool is_listening() const { return !notify_address_.empty(); }

  void ready() const;      ///< the start or the reload is over
  void reloading() const;  ///< until ready(). With the time, which Type=notify-reload wants
  void stopping() const;
  void status(std::string_view text) const;  ///< one line, for `systemctl status`
  void keep_alive() const;                   ///< the watchdog's question answered
  void main_process(int pid) const;          ///< from now on that one is the service
  /// By which the program that takes our place finds the service manager, as from_environment() does.
  [[nodiscard]] std::vector<std::string> variables_for_successor() const;
  /// What goes on (start, reload, stop) may take so much longer from now.
  void extend_timeout(std::chrono::microseconds by) const;

  /// If set, keep_alive() is expected at least this often; half of it is the usual interval.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog_timeout() const {
    return watchdog_timeout_;
  }

  /// In the order in which they were passed; from now on they are the caller's. listening_socket.h makes
  /// listeners of them.
  [[nodiscard]] std::vector<PassedSocket> take_passed_sockets() { return std::exchange(passed_sockets_, {}); }

 private:
  void send(std::string_view message) const;
  void close();

  std::string notify_address_;  // a path, or "@" and an abstract name; empty: there is none
  int notify_socket_ = -1;
  std::optional<std::chrono::microseconds> watchdog_timeout_;
  std::vector<PassedSocket> passed_sockets_;
};

}  // namespace portshare
