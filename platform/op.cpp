#include "platform/op.h"

namespace portshare {

std::string_view to_string(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::cancelled:
      return "cancelled";
    case Status::nothing_yet:
      return "nothing has come yet";
    case Status::refused:
      return "connection refused";
    case Status::unreachable:
      return "host or network unreachable";
    case Status::timed_out:
      return "timed out";
    case Status::reset:
      return "connection reset by the peer";
    case Status::no_descriptors:
      return "out of file descriptors";
    case Status::no_resources:
      return "out of memory or buffers";
    case Status::no_local_port:
      return "no local port is left";
    case Status::permission:
      return "not permitted";
    case Status::failed:
      break;
  }
  return "failed";
}

}  // namespace portshare
