#pragma once

namespace portshare {

/// Of this program.
[[nodiscard]] int process_id();

}  // namespace portshare
