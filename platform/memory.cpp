#include "platform/memory.h"

#include <malloc.h>

namespace portshare {

void join_freed_blocks_at_once() {
  (void)mallopt(M_MXFAST, 0);  // an allocator without such a setting has no such habit
}

void return_unused_memory() {
  (void)malloc_trim(0);  // whether there was any to return is of no interest
}

}  // namespace portshare
