// Messages between two processes that carry sockets.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/byte_view.h"
#include "platform/file_descriptor.h"
#include "platform/op.h"

namespace portshare {

/// Closes a socket that another process may have, too, in this process alone. There its connection or its
/// queue goes on, and the file of a unix socket stays where it is.
void close_in_this_process(Socket socket);

/// One end of a pair of unix sockets that keep the borders of messages (SOCK_SEQPACKET, unix(7)). Its calls
/// wait; several threads may send, while another receives. It moves.
class SocketChannel {
 public:
  static constexpr std::size_t most_bytes = std::size_t{64} * 1024;
  /// The system takes 253 (SCM_MAX_FD).
  static constexpr std::size_t most_sockets = 64;

  struct Message {
    std::vector<std::uint8_t> bytes;
    std::vector<Socket> sockets;  ///< the receiver's own: who has the message closes them
  };

  /// Both ends are closed when another program is started, see start_program.
  [[nodiscard]] static std::expected<std::pair<SocketChannel, SocketChannel>, std::string> make_pair();
  SocketChannel() = default;
  explicit SocketChannel(FileDescriptor descriptor) : descriptor_(std::move(descriptor)) {}

  [[nodiscard]] bool is_open() const { return descriptor_.is_open(); }
  [[nodiscard]] int descriptor() const { return descriptor_.get(); }

  /// From now on a call waits so long at most, and then says that nobody is there.
  void set_patience(std::chrono::milliseconds patience);

  /// `bytes`: at least one, at most most_bytes. The sockets stay open here, too. False: there is nobody at
  /// the other end any more.
  [[nodiscard]] bool send(ByteView bytes, std::span<const Socket> sockets = {});
  /// None: nobody is there any more, or shut_down().
  [[nodiscard]] std::optional<Message> receive();
  /// Ends the present and later calls of both ends. Nothing that is sent later arrives; what has been sent
  /// before can still be received.
  void shut_down();
  void close() { descriptor_.close(); }

 private:
  FileDescriptor descriptor_;
};

}  // namespace portshare
