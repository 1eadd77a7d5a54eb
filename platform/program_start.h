// Starting this program anew, with a channel between the two.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "platform/socket_channel.h"

namespace portshare {

/// The file of this program, also after another version has been put in its place.
[[nodiscard]] std::string path_of_this_program();

/// A program that was started here and may outlive us.
class StartedProgram {
 public:
  explicit StartedProgram(int pid) : pid_(pid) {}
  [[nodiscard]] int pid() const { return pid_; }
  /// Ends it at once, and waits until it has ended.
  void kill();

 private:
  int pid_;
};

/// Runs `path` with the arguments that this program has; it finds `channel` by take_channel(). It has our
/// stderr, user and capabilities, our environment with `variables` ("NAME=value") added, and none of our
/// other descriptors. The error is a sentence.
[[nodiscard]] std::expected<StartedProgram, std::string> start_program(
    const std::string& path, const SocketChannel& channel, const std::vector<std::string>& variables = {});

/// The channel that start_program gave to this program, once; nobody that we start finds it again. None: this
/// program was started in an ordinary way.
[[nodiscard]] std::optional<SocketChannel> take_channel();

}  // namespace portshare
