#include "platform/address_translation.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace portshare {

static_assert(sizeof(sockaddr_un::sun_path) == SocketAddress::max_path_length + 1);

namespace {

// Socket addresses are copied in and out as bytes, so that no type is read through another one's pointer.
template <typename SystemAddress>
std::uint32_t store(const SystemAddress& address, sockaddr_storage& result) {
  static_assert(sizeof(SystemAddress) <= sizeof(sockaddr_storage));
  std::memcpy(&result, &address, sizeof(address));
  return sizeof(address);
}

std::uint32_t from_endpoint(const IpEndpoint& endpoint, std::uint32_t interface, sockaddr_storage& result) {
  const auto& bytes = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, bytes.data() + 12, 4);
    return store(v4, result);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  v6.sin6_scope_id = interface;
  std::memcpy(&v6.sin6_addr, bytes.data(), 16);
  return store(v6, result);
}

}  // namespace

std::uint32_t to_system_address(const SocketAddress& address, sockaddr_storage& result) {
  if (address.ip) return from_endpoint(*address.ip, address.interface, result);
  if (address.unix_path.empty() || address.unix_path.size() > SocketAddress::max_path_length) return 0;
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  std::copy(address.unix_path.begin(), address.unix_path.end(), path.sun_path);
  return store(path, result);
}

std::optional<IpEndpoint> to_endpoint(const sockaddr& address, std::uint32_t length) {
  if (length < offsetof(sockaddr, sa_data)) return std::nullopt;
  if (address.sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof(v4));
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &v4.sin_addr, octets.size());
    return IpEndpoint{IpAddress::v4(octets), ntohs(v4.sin_port)};
  }
  if (address.sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof(v6));
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
    return IpEndpoint{IpAddress::v6(octets), ntohs(v6.sin6_port)};
  }
  return std::nullopt;
}

std::uint32_t interface_of(const sockaddr_storage& address) {
  if (address.ss_family != AF_INET6) return 0;
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof(v6));
  return v6.sin6_scope_id;
}

std::optional<std::string> to_unix_path(const sockaddr_storage& address, std::uint32_t length) {
  constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);
  if (address.ss_family != AF_UNIX || length <= path_offset) return std::nullopt;
  sockaddr_un path{};
  std::memcpy(&path, &address, std::min<std::size_t>(length, sizeof(path)));
  if (path.sun_path[0] == '\0') return std::nullopt;
  return std::string(path.sun_path, strnlen(path.sun_path, sizeof(path.sun_path)));
}

}  // namespace portshare
