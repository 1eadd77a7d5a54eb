#pragma once

#include <span>
#include <string>

namespace portshare {

/// `portshare who`: who holds a port.
[[nodiscard]] int who_command(std::span<const std::string> arguments);

}  // namespace portshare
