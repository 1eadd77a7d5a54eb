// Listeners on sockets that the service manager has bound: bind = ["systemd:NAME"].
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "dispatch/config.h"
#include "platform/service_manager.h"

namespace portshare {

/// All sockets of this name, each with a descriptor of its own, to be closed with close_adopted_socket. The
/// error is a sentence.
[[nodiscard]] std::expected<std::vector<Socket>, std::string> open_passed_sockets(
    const ServiceManager& manager, const std::string& name);

/// Names in the log the sockets that no listener uses: their clients wait for nobody.
void warn_about_unused_sockets(const ServiceManager& manager, const Config& config);

}  // namespace portshare
