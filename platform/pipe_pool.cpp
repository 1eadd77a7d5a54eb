#include "platform/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <utility>

namespace portshare {

namespace {

// What counts is how many pieces of packets a pipe can hold: a slot for each page of its capacity. This is
// the most that a user without privileges gets (fs.pipe-max-size). Measured over one CPU, CPU time per GB: 64
// KiB 0.62 s, 256 KiB 0.34 s, 1 MiB 0.25 s.
constexpr int pipe_capacity = 1024 * 1024;
// A user who has used up his share (fs.pipe-user-pages-soft) gets pipes with two slots, which are worse than
// none.
constexpr int least_capacity = 64 * 1024;

}  // namespace

PipePool::~PipePool() {
  assert(free_.size() == pipes_.size());
  for (Ends& ends : pipes_) close(ends);
}

bool PipePool::open(Ends& ends) {
  std::array<int, 2> descriptors{};
  if (::pipe2(descriptors.data(), O_CLOEXEC | O_NONBLOCK) != 0) return false;
  ends = {.read_end = descriptors[0], .write_end = descriptors[1]};
  if (::fcntl(ends.write_end, F_SETPIPE_SZ, pipe_capacity) >= 0) return true;
  if (::fcntl(ends.write_end, F_GETPIPE_SZ) >= least_capacity) return true;
  close(ends);
  return false;
}

void PipePool::close(Ends& ends) {
  if (ends.read_end < 0) return;
  ::close(std::exchange(ends.read_end, -1));
  ::close(std::exchange(ends.write_end, -1));
}

Pipe PipePool::acquire() {
  if (free_.empty()) {
    if (pipes_.size() == most_pipes) return Pipe::none;
    free_.push_back(Pipe{static_cast<std::int32_t>(pipes_.size())});
    pipes_.emplace_back();
  }
  const Pipe pipe = free_.back();
  Ends& ends = pipes_[static_cast<std::size_t>(pipe)];
  if (ends.read_end < 0 && !open(ends)) return Pipe::none;
  free_.pop_back();
  return pipe;
}

void PipePool::release(Pipe pipe, bool is_empty) {
  assert(pipe != Pipe::none);
  if (!is_empty) close(pipes_[static_cast<std::size_t>(pipe)]);
  free_.push_back(pipe);
}

}  // namespace portshare
