// What the allocator holds back from the system.
#pragma once

namespace portshare {

/// Gives memory that was freed back to the system as far as the allocator can. Takes its time: for the end of
/// a start or a reload.
void return_unused_memory();

}  // namespace portshare
