// Connections from addresses that are not this host's: IP_TRANSPARENT (ip(7)), IPV6_TRANSPARENT.
#pragma once

#include <expected>
#include <string>

#include "core/ip_address.h"

namespace portshare {

/// Whether this thread may connect so. The error is a sentence that says what is missing.
[[nodiscard]] std::expected<void, std::string> can_connect_transparently();

/// Binds a TCP socket of the address's family to any address, for a connect that chooses the port. An errno,
/// 0 if that worked.
[[nodiscard]] int bind_to_source(int descriptor, const IpAddress& source);

}  // namespace portshare
