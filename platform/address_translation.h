// Our addresses and the system's socket addresses, in both directions.
#pragma once

#include <cstdint>
#include <optional>

#include "core/socket_address.h"

struct sockaddr;
struct sockaddr_storage;

namespace portshare {

/// Writes `address` in the form that connect and bind take, and returns its length; 0 if it is a unix path
/// that is empty or longer than SocketAddress::max_path_length.
[[nodiscard]] std::uint32_t to_system_address(const SocketAddress& address, sockaddr_storage& result);

/// The endpoint in a socket address of the system; none for other families than IPv4 and IPv6, or if `length`
/// is too small for the family.
[[nodiscard]] std::optional<IpEndpoint> to_endpoint(const sockaddr& address, std::uint32_t length);

/// The interface in a socket address of IPv6, see SocketAddress::interface; 0 for other families.
[[nodiscard]] std::uint32_t interface_of(const sockaddr_storage& address);

/// The path that a unix socket is bound to; none for other families, unnamed and abstract sockets.
[[nodiscard]] std::optional<std::string> to_unix_path(const sockaddr_storage& address, std::uint32_t length);

}  // namespace portshare
