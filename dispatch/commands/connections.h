#pragma once

#include <span>
#include <string>

namespace portshare {

/// `portshare connections`: lists the connections of a running program, or ends some.
int connections_command(std::span<const std::string> arguments);

/// The text of it, from the document of GET /connections.
[[nodiscard]] std::string connections_text(const std::string& document);

}  // namespace portshare
