#pragma once

#include <span>
#include <string>

namespace portshare {

/// `portshare top`: a running program, live in a terminal.
int top_command(std::span<const std::string> arguments);

}  // namespace portshare
