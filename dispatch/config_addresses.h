// The notations of addresses in the file. Errors are sentences that name the text.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "core/ip_address.h"
#include "core/route_table.h"
#include "dispatch/config.h"

namespace portshare {

/// "IP:PORT", "[IPv6]:PORT" or "unix:/path". The path is absolute and fits sockaddr_un.
[[nodiscard]] std::expected<SocketAddress, std::string> parse_socket_address(std::string_view text);

/// Where to listen: addresses to bind, or the name of sockets that the service manager has bound.
struct BindAddress {
  std::vector<SocketAddress> addresses;
  std::string passed_socket;  ///< set if there are no addresses
};

/// A socket address, "*:PORT", which is 0.0.0.0 and [::], or "systemd:NAME". Port 0 lets the system choose
/// one.
[[nodiscard]] std::expected<BindAddress, std::string> parse_bind_address(std::string_view text);

/// Where to connect to: a socket address or "NAME:PORT".
[[nodiscard]] std::expected<ServerAddress, std::string> parse_server_address(std::string_view text);

/// "IP", "IP/LENGTH" or "IP:PORT".
[[nodiscard]] std::expected<DestinationMatcher, std::string> parse_destination(std::string_view text);

/// "IP" alone, of a host: no wildcard.
[[nodiscard]] std::expected<IpAddress, std::string> parse_local_address(std::string_view text);

/// "IP" or "IP/LENGTH".
[[nodiscard]] std::expected<IpPrefix, std::string> parse_prefix(std::string_view text);

}  // namespace portshare
