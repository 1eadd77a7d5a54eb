// Whether a server takes connections yet.
#pragma once

#include <chrono>

#include "core/socket_address.h"

namespace portshare {

/// Tries to connect until it works or the time is over. Closes the connection at once.
[[nodiscard]] bool wait_until_reachable(const SocketAddress& address, std::chrono::milliseconds patience);

}  // namespace portshare
