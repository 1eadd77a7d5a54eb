#include "platform/memory.h"

#include <malloc.h>

namespace portshare {

void return_unused_memory() {
  malloc_trim(0);
}

}  // namespace portshare
