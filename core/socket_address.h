// Where a socket listens or connects to: an IP endpoint or the path of a unix socket.
#pragma once

#include <compare>
#include <optional>
#include <string>

#include "core/ip_address.h"

namespace portshare {

struct SocketAddress {
  /// The longest path that every system's sockaddr_un takes with its terminating zero (unix(7)).
  static constexpr std::size_t max_path_length = 107;

  std::optional<IpEndpoint> ip;
  std::string unix_path;  ///< absolute; set if `ip` is not

  /// As the configuration writes it: "192.0.2.1:80", "[::1]:80", "unix:/run/web.sock".
  [[nodiscard]] std::string to_string() const { return ip ? ip->to_string() : "unix:" + unix_path; }
  auto operator<=>(const SocketAddress&) const = default;
};

}  // namespace portshare
