// The clock of the measurements.
#pragma once

#include <chrono>
#include <cstdint>

namespace portshare {

using std::chrono::nanoseconds;

/// Never goes back; its zero means nothing.
inline nanoseconds clock_now() {
  return std::chrono::duration_cast<nanoseconds>(std::chrono::steady_clock::now().time_since_epoch());
}

/// In nanoseconds; a negative duration counts as none.
inline std::uint64_t as_count(nanoseconds duration) {
  return duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count());
}

inline double as_seconds(nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace portshare
