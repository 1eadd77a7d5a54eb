// The owner of a port in words.
#pragma once

#include <string>
#include <string_view>

#include "platform/port_owner.h"

namespace portshare {

/// Text of strangers, such as command lines, fit for a terminal: what is not printable ASCII becomes \xNN.
[[nodiscard]] std::string printable(std::string_view text);

/// As a shell would take it: "nginx -g 'daemon off;'".
[[nodiscard]] std::string command_line_text(const ProcessInfo& process);

/// "192.0.2.1:80", "[fe80::1%eth0]:80", "0.0.0.0%eth0:80"; a socket on [::] that takes IPv4 as well is
/// "*:80".
[[nodiscard]] std::string address_text(const PortOwner& owner);

/// The service or container: "nginx.service", "docker 3f2a9c0b1d2e"; empty: it belongs to none.
[[nodiscard]] std::string group_text(const ControlGroup& group);

/// Whose it is: "nginx (pid 812, user root, nginx.service)". Where the process cannot be seen, who is known.
[[nodiscard]] std::string owner_text(const PortOwner& owner);

/// The command that ends it: "systemctl stop nginx.service", "docker stop 3f2a9c0b1d2e", "kill 812"; empty if
/// nothing is known that could be ended.
[[nodiscard]] std::string stop_command(const PortOwner& owner);

}  // namespace portshare
