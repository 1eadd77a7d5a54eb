#include "dispatch/demo/free_port.h"

#include <vector>

#include "platform/listening_socket.h"

namespace portshare {
namespace {

/// The port, if all addresses can be bound to it. 0: one that the system chooses for the first address.
std::optional<std::uint16_t> try_port(std::span<const IpAddress> addresses, std::uint16_t port) {
  std::vector<Socket> sockets;
  for (const IpAddress& address : addresses) {
    const auto socket = open_listening_socket({IpEndpoint{address, port}, {}});
    if (!socket) break;
    sockets.push_back(*socket);
    port = address_of_listening_socket(*socket).ip->port;
  }
  for (const Socket socket : sockets) close_listening_socket(socket);
  if (sockets.size() < addresses.size()) return std::nullopt;
  return port;
}

}  // namespace

bool can_listen_on(const IpAddress& address) {
  return try_port(std::span(&address, 1), 0).has_value();
}

std::optional<std::uint16_t> find_free_port(std::span<const IpAddress> addresses, std::uint16_t preferred) {
  if (const auto port = try_port(addresses, preferred)) return port;
  // What the system chooses for the first address may be taken on another one: then it chooses again.
  constexpr int attempts = 16;
  for (int i = 0; i < attempts; ++i) {
    if (const auto port = try_port(addresses, 0)) return port;
  }
  return std::nullopt;
}

}  // namespace portshare
