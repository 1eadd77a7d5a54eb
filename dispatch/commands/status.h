#pragma once

#include <span>
#include <string>

namespace portshare {

/// `portshare status`: what a running program serves, and how it is.
int status_command(std::span<const std::string> arguments);

/// The text of it, from the document of GET /status.
[[nodiscard]] std::string status_text(const std::string& document);

}  // namespace portshare
