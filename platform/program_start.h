// Starting this program anew, with a channel between the two.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "platform/file_descriptor.h"
#include "platform/socket_channel.h"

namespace portshare {

/// The file by which this program was started, where another version may have been put meanwhile, or to which
/// a link may lead by now; where it is no longer there or not known, the file that runs.
[[nodiscard]] std::string path_of_this_program();

/// A program that was started here and may outlive us.
class StartedProgram {
 public:
  /// `process`: the descriptor of it that pidfd_open(2) gives.
  StartedProgram(int pid, FileDescriptor process) : pid_(pid), process_(std::move(process)) {}
  [[nodiscard]] int pid() const { return pid_; }
  [[nodiscard]] bool has_ended() const;
  /// Ends it at once, and waits until it has ended.
  void kill() const;

 private:
  int pid_;
  FileDescriptor process_;
};

/// Runs `path` with the arguments that this program has, but for the first one, which is `path`; it finds
/// `channel` by take_channel(). It has our stderr, user and capabilities, our environment with `variables`
/// ("NAME=value") added, and none of our other descriptors. The error is a sentence.
///
/// The program is not our child but an orphan, adopted by whoever adopts ours: by systemd beneath systemd,
/// which does not wait for the end of a main process that is somebody else's child, but kills it at once.
[[nodiscard]] std::expected<StartedProgram, std::string> start_program(
    const std::string& path, const SocketChannel& channel, const std::vector<std::string>& variables = {});

/// The channel that start_program gave to this program, once; nobody that we start finds it again. None: this
/// program was started in an ordinary way.
[[nodiscard]] std::optional<SocketChannel> take_channel();

}  // namespace portshare
