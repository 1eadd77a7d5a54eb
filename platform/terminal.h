// Who reads what we print.
#pragma once

#include <cstddef>
#include <optional>

namespace portshare {

/// Whether stderr is a terminal, with a person before it.
[[nodiscard]] bool stderr_is_terminal();

/// How many columns the terminal has that stdout goes to; none if it goes elsewhere.
[[nodiscard]] std::optional<std::size_t> stdout_columns();

}  // namespace portshare
