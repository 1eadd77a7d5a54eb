#pragma once

#include <span>
#include <string>

namespace portshare {

/// `portshare-bench serve`: a TestServer until a signal ends it. Takes what stands behind the command's name,
/// and returns an exit code.
int serve_command(std::span<const std::string> arguments);

}  // namespace portshare
