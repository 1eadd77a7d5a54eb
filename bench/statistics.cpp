#include "bench/statistics.h"

#include <numeric>

namespace portshare {

namespace {

struct ErrorText {
  std::string_view name;
  std::string_view description;
};

constexpr std::array<ErrorText, error_kind_count> error_texts{{
    {"refused", "refused: nobody listens there"},
    {"reset", "reset"},
    {"timeout", "timed out"},
    {"ended_early", "ended before the reply was complete"},
    {"unreachable", "unreachable"},
    {"no_source_port", "no source port left: see --close reset"},
    {"shortage", "out of descriptors or memory"},
    {"failed", "failed"},
}};

}  // namespace

std::string_view to_string(ErrorKind kind) {
  return error_texts[static_cast<std::size_t>(kind)].name;
}

std::string_view describe(ErrorKind kind) {
  return error_texts[static_cast<std::size_t>(kind)].description;
}

ErrorKind error_of(const Op& op) {
  switch (op.status) {
    case Status::refused:
      return ErrorKind::refused;
    case Status::reset:
      return ErrorKind::reset;
    case Status::timed_out:
      return ErrorKind::timeout;
    case Status::unreachable:
      return ErrorKind::unreachable;
    case Status::no_local_port:
      return ErrorKind::no_source_port;
    case Status::no_descriptors:
    case Status::no_resources:
      return ErrorKind::shortage;
    case Status::ok:
    case Status::cancelled:
    case Status::nothing_yet:
    case Status::permission:
    case Status::failed:
      break;
  }
  return ErrorKind::failed;
}

std::uint64_t Statistics::failed() const {
  return std::accumulate(errors.begin(), errors.end(), std::uint64_t{0});
}

void Statistics::merge(const Statistics& other) {
  latency.merge(other.latency);
  connect.merge(other.connect);
  start_delay.merge(other.start_delay);
  completed += other.completed;
  dropped += other.dropped;
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  for (std::size_t i = 0; i < errors.size(); ++i) errors[i] += other.errors[i];
  slow.merge(other.slow);
}

}  // namespace portshare
