// How a connection ended: the words of the access log and of the metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace portshare {

enum class Outcome : std::uint8_t {
  ok,               ///< both sides closed it, or the client left before it said anything
  no_route,         ///< no route and no default backend for it
  rejected,         ///< by a route with `reject = true`
  malformed,        ///< first bytes that break the rules of their protocol, or that nobody claims
  too_large,        ///< first flight over first_flight_limit
  timeout,          ///< no complete first flight within first_flight_timeout
  denied,           ///< by the listener's allow and deny
  limited,          ///< over a limit for its source
  refused,          ///< no server took the connection
  connect_timeout,  ///< no server answered the connect in time
  unavailable,      ///< no server to ask, or no means to ask one
  client_reset,
  server_reset,
  idle,      ///< no byte in either direction for idle_timeout
  shutdown,  ///< portshare ended and could not wait any longer
};

/// They count from 0.
inline constexpr std::size_t outcome_count = std::to_underlying(Outcome::shutdown) + std::size_t{1};

/// Whether something went wrong that somebody may have to look after: with a server, a client or a limit.
[[nodiscard]] constexpr bool is_error(Outcome outcome) {
  return outcome != Outcome::ok && outcome != Outcome::idle && outcome != Outcome::shutdown;
}

std::string_view to_string(Outcome outcome);

}  // namespace portshare
