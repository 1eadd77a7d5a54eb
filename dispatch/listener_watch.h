// Notices other programs' listening sockets on our ports.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/socket_address.h"
#include "core/timer_wheel.h"
#include "platform/loop.h"
#include "platform/port_owner.h"

namespace portshare {

/// A listening socket of somebody else on an address of ours.
struct SecondListener {
  std::string listener;     ///< ours, by name
  std::string address;      ///< theirs: "192.0.2.9:80"
  std::string holder;       ///< in words: program, pid, user, unit; see owner_text()
  std::string effect;       ///< see effect_text()
  std::uint64_t inode = 0;  ///< of their socket
};

/// What a socket on an address of ours does: "takes every connection to 192.0.2.9:80", "takes a part of the
/// connections to 0.0.0.0:80 (SO_REUSEPORT)".
[[nodiscard]] std::string effect_text(const LocalSocket& ours, const PortOwner& theirs);

/// Our listening sockets are exclusive, so nobody joins by accident. Still there are ways: a socket of the
/// service manager's with ReusePort=, a program that may override the check of bind (TCP_REPAIR), a restart
/// in which somebody was faster. Looks every two seconds, which costs one short list of the kernel's, and
/// says once of each such socket that it has come, and that it has gone. Other network namespaces do not
/// count. Belongs to the loop's thread.
class ListenerWatch {
 public:
  struct Own {
    std::string listener;
    SocketAddress address;
    Socket socket;
  };
  using OwnSockets = std::function<std::vector<Own>()>;

  /// `own`: our listening sockets at the moment; those of unix are left out.
  ListenerWatch(Loop& loop, OwnSockets own, std::chrono::milliseconds interval = std::chrono::seconds{2});
  ListenerWatch(const ListenerWatch&) = delete;
  ListenerWatch& operator=(const ListenerWatch&) = delete;
  ~ListenerWatch();

  /// Looks now, and again after the interval.
  void look();
  /// Those that are there at present.
  [[nodiscard]] const std::vector<SecondListener>& present() const { return present_; }

 private:
  void compare(const std::vector<Own>& own, const std::vector<LocalSocket>& listening);

  Loop& loop_;
  OwnSockets own_;
  std::chrono::milliseconds interval_;
  Timer timer_;
  std::vector<SecondListener> present_;
  std::vector<std::uint64_t> ours_after_all_;  // sockets of this process that are not in use, by inode
};

}  // namespace portshare
