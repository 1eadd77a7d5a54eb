// Pipes through which the kernel moves bytes from one socket to another without copying them to us.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace portshare {

/// A pipe of some backend that holds bytes on their way: a receive brings it, a send empties it, and whoever
/// has it gives it back with Backend::release_pipe, empty or not.
enum class Pipe : std::int32_t { none = -1 };

/// Pipes are descriptors, two each, and kernel memory that a user has only so much of
/// (fs.pipe-user-pages-soft), so there are few, and they are kept. A connection has one only while bytes are
/// in it. One per worker; not thread-safe.
class PipePool {
 public:
  /// Beyond these, connections do without.
  static constexpr std::size_t most_pipes = 32;

  PipePool() = default;
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;
  ~PipePool();

  /// An empty one; `none` if all are in use or the system gives no more.
  [[nodiscard]] Pipe acquire();
  /// Takes one back. `is_empty`: what is left in it, if not, is thrown away.
  void release(Pipe pipe, bool is_empty);

  /// Those that were acquired and not released.
  [[nodiscard]] std::size_t in_use() const { return pipes_.size() - free_.size(); }

  [[nodiscard]] int read_end(Pipe pipe) const { return at(pipe).read_end; }
  [[nodiscard]] int write_end(Pipe pipe) const { return at(pipe).write_end; }

 private:
  struct Ends {
    int read_end = -1;
    int write_end = -1;
  };
  [[nodiscard]] const Ends& at(Pipe pipe) const { return pipes_[static_cast<std::size_t>(pipe)]; }
  [[nodiscard]] static bool open(Ends& ends);
  static void close(Ends& ends);

  std::vector<Ends> pipes_;  // closed ones, too, whose place is free
  std::vector<Pipe> free_;
};

}  // namespace portshare
