// What `portshare who` prints.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "platform/port_owner.h"

namespace portshare {

/// A line for each socket, with a second one for its command line, and the counts of connections behind them.
/// `columns`: of the terminal, to which command lines are cut; none: nothing is cut.
[[nodiscard]] std::string port_owners_table(const PortOwners& found, std::optional<std::size_t> columns);

/// One socket: "protocol", "state", "address", "port", and so on; what is not known is null.
[[nodiscard]] nlohmann::ordered_json to_json(const PortOwner& owner);
/// {"sockets": […], "connections": […], "missed_network_namespaces": […]}
[[nodiscard]] nlohmann::ordered_json to_json(const PortOwners& found);

}  // namespace portshare
