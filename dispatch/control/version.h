#pragma once

#include <string_view>

namespace portshare {

/// Of the program, as `portshare --version` says it.
[[nodiscard]] std::string_view version();

}  // namespace portshare
