// How the allocator treats memory that is freed.
#pragma once

namespace portshare {

/// From now on blocks that are freed join their neighbours at once. By default small ones are left for later,
/// and then all of them are gone through each time that a large one is freed: a fifth of the time that it
/// takes to read a million routes. To be called before there are threads.
void join_freed_blocks_at_once();

/// Gives memory that was freed back to the system as far as the allocator can. Takes its time: for the end of
/// a start or a reload.
void return_unused_memory();

}  // namespace portshare
