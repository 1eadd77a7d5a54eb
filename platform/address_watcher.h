// Notices that addresses of this host's interfaces come and go.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "core/timer_wheel.h"
#include "platform/loop.h"

namespace portshare {

/// Calls back on the loop's thread soon after addresses were added or removed, or have become usable
/// (RTNLGRP_IPV4_IFADDR and RTNLGRP_IPV6_IFADDR of rtnetlink(7)). It says that something has changed, and not
/// what: whoever wants to know asks list_interface_addresses(). Changes that come together are one call, and
/// none is missed: where the kernel has lost messages there is a call, too.
class AddressWatcher {
 public:
  /// The loop must be of an engine that works on the system's sockets, and must outlive the watcher. The
  /// error is a sentence without a full stop.
  [[nodiscard]] static std::expected<std::unique_ptr<AddressWatcher>, std::string> start(
      Loop& loop, std::function<void()> changed);
  AddressWatcher(const AddressWatcher&) = delete;
  AddressWatcher& operator=(const AddressWatcher&) = delete;
  /// Turns the loop until its own operations have ended: not from within one of its callbacks.
  ~AddressWatcher();

 private:
  AddressWatcher(Loop& loop, Socket socket, std::function<void()> changed);
  void received();
  void settled();

  Loop& loop_;
  Socket socket_;
  std::function<void()> changed_;
  Op op_;
  Timer settle_timer_;
};

}  // namespace portshare
