#include "dispatch/outcome.h"

#include <cstdlib>

namespace portshare {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::no_route:
      return "no_route";
    case Outcome::rejected:
      return "rejected";
    case Outcome::malformed:
      return "malformed";
    case Outcome::too_large:
      return "too_large";
    case Outcome::timeout:
      return "timeout";
    case Outcome::denied:
      return "denied";
    case Outcome::limited:
      return "limited";
    case Outcome::refused:
      return "refused";
    case Outcome::connect_timeout:
      return "connect_timeout";
    case Outcome::unavailable:
      return "unavailable";
    case Outcome::client_reset:
      return "client_reset";
    case Outcome::server_reset:
      return "server_reset";
    case Outcome::idle:
      return "idle";
    case Outcome::shutdown:
      return "shutdown";
  }
  std::abort();
}

}  // namespace portshare
