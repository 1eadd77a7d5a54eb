#pragma once

#include <span>
#include <string>

namespace portshare {

/// `portshare run -c FILE`: the dispatcher in the foreground.
[[nodiscard]] int run_command(std::span<const std::string> arguments);

}  // namespace portshare
