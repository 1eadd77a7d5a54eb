#pragma once

#include "dispatch/dispatcher.h"

namespace portshare {

/// Serves until a signal ends it: the first SIGTERM or SIGINT drains for at most `shutdown_timeout` of the
/// configuration, a second one ends at once. The signals must be blocked already (block_signals).
/// The service manager hears of the end when it begins.
void serve_until_signalled(Dispatcher& dispatcher, const Config& config,
                           const ServiceManager& service_manager = {});

}  // namespace portshare
