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

/// What an operator makes of them.
enum class OutcomeKind : std::uint8_t {
  fine,
  refused,  ///< the client did not get in: no route, a limit, bytes that make no sense
  failed,   ///< the client should have been served, and no server has done it
};

[[nodiscard]] constexpr OutcomeKind kind_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
    case Outcome::client_reset:
    case Outcome::idle:
    case Outcome::shutdown:
      return OutcomeKind::fine;
    case Outcome::no_route:
    case Outcome::rejected:
    case Outcome::malformed:
    case Outcome::too_large:
    case Outcome::timeout:
    case Outcome::denied:
    case Outcome::limited:
      return OutcomeKind::refused;
    case Outcome::refused:
    case Outcome::connect_timeout:
    case Outcome::unavailable:
    case Outcome::server_reset:
      return OutcomeKind::failed;
  }
  return OutcomeKind::fine;
}

std::string_view to_string(Outcome outcome);

}  // namespace portshare
