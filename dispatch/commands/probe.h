#pragma once

#include <span>
#include <string>

namespace portshare {

/// `portshare probe`: how this system lets listening sockets share and reuse a port, tried on loopback.
[[nodiscard]] int probe_command(std::span<const std::string> arguments);

}  // namespace portshare
