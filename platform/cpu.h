// The processors of this machine, as far as they are ours.
#pragma once

namespace portshare {

/// How many CPUs this process may run on (taskset, cgroup cpusets and containers take some away); at least 1.
[[nodiscard]] unsigned usable_cpu_count();

}  // namespace portshare
