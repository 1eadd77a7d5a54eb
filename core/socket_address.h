// Where a socket listens or connects to: an IP endpoint or the path of a unix socket.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "core/ip_address.h"

namespace portshare {

struct SocketAddress {
  /// The longest path that every system's sockaddr_un takes with its terminating zero (unix(7)).
  static constexpr std::size_t max_path_length = 107;

  std::optional<IpEndpoint> ip;
  std::string unix_path;  ///< absolute; set if `ip` is not
  /// The number of the interface to which a link-local address belongs (RFC 4007); 0: it needs none.
  std::uint32_t interface = 0;

  /// As the configuration writes it: "192.0.2.1:80", "[::1]:80", "unix:/run/web.sock". With an interface,
  /// which the configuration cannot name, as RFC 4007, 11.2 writes it: "[fe80::1%2]:80".
  [[nodiscard]] std::string to_string() const {
    if (!ip) return "unix:" + unix_path;
    if (interface == 0) return ip->to_string();
    return "[" + ip->address.to_string() + "%" + std::to_string(interface) + "]:" + std::to_string(ip->port);
  }
  auto operator<=>(const SocketAddress&) const = default;
};

}  // namespace portshare
