#pragma once

#include <span>
#include <string>

namespace portshare {

/// `portshare demo`: sample applications and a dispatcher in front of them, on loopback ports.
[[nodiscard]] int demo_command(std::span<const std::string> arguments);

}  // namespace portshare
