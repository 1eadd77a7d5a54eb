// What the results of `portshare probe` mean to an operator.
#pragma once

#include <string>
#include <vector>

#include "dispatch/commands/probe_results.h"

namespace portshare {

/// Sentences that follow from these results and from nothing else: who can take connections from a listener,
/// what a restart needs, and whether portshare's own way to listen is safe on this system.
[[nodiscard]] std::vector<std::string> probe_summary(const ProbeResults& results);

/// Whether a listener with that option keeps all its connections, in every trial that was made, and at least
/// one was.
[[nodiscard]] bool keeps_its_connections(const ProbeResults& results, ShareOption option);

/// Whether a server with that option gets its port back at once, also while connections of its last run live
/// or are in TIME_WAIT.
[[nodiscard]] bool restarts_at_once(const ProbeResults& results, ShareOption option);

}  // namespace portshare
