#pragma once

#include <string_view>

namespace portshare {

/// The page of the monitor, dispatch/control/dashboard.html as it was built.
[[nodiscard]] std::string_view dashboard_page();

}  // namespace portshare
