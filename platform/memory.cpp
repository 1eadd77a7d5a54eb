#include "platform/memory.h"

#include <malloc.h>

namespace portshare {

void return_unused_memory() {
  (void)malloc_trim(0);  // whether there was any to return is of no interest
}

}  // namespace portshare
