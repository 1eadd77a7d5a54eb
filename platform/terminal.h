// Who reads what we print.
#pragma once

namespace portshare {

/// Whether stderr is a terminal, with a person before it.
[[nodiscard]] bool stderr_is_terminal();

}  // namespace portshare
