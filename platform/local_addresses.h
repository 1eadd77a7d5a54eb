// Which addresses are this host's own.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/ip_address.h"

namespace portshare {

/// The addresses of the host's interfaces at the moment of the first question about one that is not loopback.
/// A system that does not tell has none but loopback. Not thread-safe.
class LocalAddresses {
 public:
  /// Whether a connection to `address` stays on this host. All of 127.0.0.0/8 and ::1 do.
  [[nodiscard]] bool contains(const IpAddress& address);

 private:
  std::optional<std::vector<IpAddress>> interfaces_;
};

/// The ports that the system gives to outgoing connections.
struct PortRange {
  std::uint16_t first;
  std::uint16_t last;
  [[nodiscard]] bool contains(std::uint16_t port) const { return port >= first && port <= last; }
};

/// Every port if the system does not tell.
[[nodiscard]] PortRange ephemeral_ports();

/// Those below it need CAP_NET_BIND_SERVICE.
[[nodiscard]] std::uint16_t first_unprivileged_port();

}  // namespace portshare
