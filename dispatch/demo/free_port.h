// Which port the demo can take.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/ip_address.h"

namespace portshare {

/// Whether a program can listen on this address at all, which is to say: whether the host has it.
[[nodiscard]] bool can_listen_on(const IpAddress& address);

/// A port that nobody holds on any of these addresses, at least one: `preferred`, or else one that the system
/// chooses. None: there is none, or the host lacks an address. By the time the caller binds it, somebody else
/// may have been faster.
[[nodiscard]] std::optional<std::uint16_t> find_free_port(std::span<const IpAddress> addresses,
                                                          std::uint16_t preferred);

}  // namespace portshare
