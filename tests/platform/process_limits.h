// Takes resources away from the process that a death test runs in.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>

namespace portshare {

/// Leaves so many descriptors beside those that are open.
inline void leave_descriptors(unsigned count) {
  const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const auto limit = static_cast<rlim_t>(next) + count;
  const rlimit few{.rlim_cur = limit, .rlim_max = limit};
  if (next < 0 || ::setrlimit(RLIMIT_NOFILE, &few) != 0) std::_Exit(3);
}

/// Leaves so many threads. The limit is not for root, and counts for the whole user, so it becomes one that
/// nobody else is.
inline void leave_threads(unsigned count) {
  constexpr uid_t nobody_else = 65533;
  if (::geteuid() == 0 && ::setresuid(nobody_else, nobody_else, nobody_else) != 0) std::_Exit(3);
  const rlimit few{.rlim_cur = count, .rlim_max = count};
  if (::setrlimit(RLIMIT_NPROC, &few) != 0) std::_Exit(3);
}

}  // namespace portshare
