// The results of `portshare probe` for people, as a table.
#pragma once

#include <string>

#include "dispatch/commands/probe_results.h"

namespace portshare {

/// A block per state of the port; a row per situation, which owners of the second socket share if they fare
/// alike; a column per pair of options; the legend below. No line is longer than 100 characters.
[[nodiscard]] std::string probe_table(const ProbeResults& results);

}  // namespace portshare
