#pragma once

#include <span>
#include <string>

namespace portshare {

/// `portshare-bench compare MODE`: several servers in interleaved rounds. Takes what stands behind the
/// command's name, and returns an exit code.
int compare_command(std::span<const std::string> arguments);

}  // namespace portshare
