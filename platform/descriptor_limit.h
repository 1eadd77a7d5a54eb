// How many files and sockets the process may have open.
#pragma once

#include <cstdint>

namespace portshare {

/// Raises the limit on open descriptors (RLIMIT_NOFILE) to the hard limit, which needs no privilege, and
/// returns the limit that holds from now on.
std::uint64_t raise_descriptor_limit();

}  // namespace portshare
