// The addresses of this host's interfaces, as rtnetlink(7) tells them.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "core/ip_address.h"
#include "platform/netlink.h"

namespace portshare {

struct InterfaceAddress {
  IpAddress address;
  std::uint32_t interface = 0;  ///< its number
  /// Nobody can bind it yet, or at all: duplicate address detection (RFC 4862) runs or has failed.
  bool is_tentative = false;
  bool operator==(const InterfaceAddress&) const = default;
};

/// fe80::/10: it says nothing without its interface (RFC 4007).
[[nodiscard]] bool is_link_local(const IpAddress& address);

/// The addresses in the present thread's network namespace. The error is a sentence without a full stop.
[[nodiscard]] std::expected<std::vector<InterfaceAddress>, std::string> list_interface_addresses();

/// What a message of type RTM_NEWADDR or RTM_DELADDR is about; none for others.
[[nodiscard]] std::optional<InterfaceAddress> read_interface_address(const NetlinkMessage& message);

}  // namespace portshare
