// The addresses that a listener's wildcard stands for where some are excepted.
#pragma once

#include <span>
#include <vector>

#include "core/socket_address.h"
#include "dispatch/config.h"
#include "platform/interface_address.h"

namespace portshare {

/// An address that is to be bound.
struct WantedAddress {
  SocketAddress address;
  bool is_of_wildcard = false;  ///< it is there because a wildcard with `except` stands for it
  bool operator==(const WantedAddress&) const = default;
};

/// What a listener binds: its addresses as the configuration has them. With `except` each wildcard is
/// replaced by those addresses of its family in `local` that can be used and are not excepted.
[[nodiscard]] std::vector<WantedAddress> wanted_addresses(const ListenerConfig& listener,
                                                          std::span<const InterfaceAddress> local);

}  // namespace portshare
