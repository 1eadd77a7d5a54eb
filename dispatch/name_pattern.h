// The regular expressions of the file, by RE2: linear time whatever a client sends.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "core/route_table.h"

namespace portshare {

/// Compiles `text`, which is as the file has it and starts with "~". The expression is searched for anywhere
/// in the name ("^" and "$" anchor it) and does not see case. The error says what is wrong with it.
[[nodiscard]] std::expected<std::shared_ptr<const NamePattern>, std::string> compile_name_pattern(
    std::string_view text);

}  // namespace portshare
