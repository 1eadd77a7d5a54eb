#include "platform/cpu.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace portshare {

unsigned usable_cpu_count() {
  // The kernel refuses a mask that is smaller than its own; how large that is, it does not say.
  for (std::size_t masks = 1; masks <= 1024; masks *= 2) {
    std::vector<cpu_set_t> set(masks);
    const std::size_t size = masks * sizeof(cpu_set_t);
    if (::sched_getaffinity(0, size, set.data()) == 0)
      return static_cast<unsigned>(std::max(CPU_COUNT_S(size, set.data()), 1));
    if (errno != EINVAL) break;
  }
  return 1;
}

}  // namespace portshare
