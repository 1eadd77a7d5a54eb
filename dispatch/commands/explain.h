#pragma once

#include <span>
#include <string>

namespace portshare {

/// `portshare explain`: which route a connection would take, and why each other one would not get it.
[[nodiscard]] int explain_command(std::span<const std::string> arguments);

}  // namespace portshare
