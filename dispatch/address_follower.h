// Keeps the listening sockets in step with the addresses of the host.
#pragma once

#include <memory>

#include "core/timer_wheel.h"
#include "dispatch/dispatcher.h"
#include "platform/address_watcher.h"

namespace portshare {

/// Where a wildcard has exceptions, it is a socket for each other address; this one opens and closes them as
/// addresses come and go, and tries again what could not be bound. Belongs to the control thread. The
/// dispatcher must outlive it.
class AddressFollower {
 public:
  explicit AddressFollower(Dispatcher& dispatcher);
  AddressFollower(const AddressFollower&) = delete;
  AddressFollower& operator=(const AddressFollower&) = delete;
  /// Turns the control loop until its own operations have ended.
  ~AddressFollower();

  /// After a reload, which may have brought exceptions.
  void look();

 private:
  Dispatcher& dispatcher_;
  std::unique_ptr<AddressWatcher> watcher_;
  Timer retry_timer_;
  bool is_looking_ = false;
  bool looks_again_ = false;
  std::shared_ptr<const bool> life_ = std::make_shared<const bool>(true);
};

}  // namespace portshare
