#pragma once

#include <span>
#include <string>

namespace portshare {

/// `portshare check -c FILE`: faults on stderr, one line on stdout for a valid file.
[[nodiscard]] int check_command(std::span<const std::string> arguments);

}  // namespace portshare
