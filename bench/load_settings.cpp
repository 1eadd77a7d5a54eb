#include "bench/load_settings.h"

namespace portshare {

std::string_view to_string(LoadKind kind) {
  switch (kind) {
    case LoadKind::connections:
      return "connections";
    case LoadKind::ping_pong:
      return "ping-pong";
    case LoadKind::bulk:
      return "bulk";
    case LoadKind::idle:
      return "idle";
    case LoadKind::slow:
      break;
  }
  return "slow";
}

std::string_view unit_of(LoadKind kind) {
  switch (kind) {
    case LoadKind::ping_pong:
      return "message";
    case LoadKind::bulk:
      return "GB";
    case LoadKind::connections:
    case LoadKind::idle:
    case LoadKind::slow:
      break;
  }
  return "connection";
}

}  // namespace portshare
