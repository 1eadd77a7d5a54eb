// A socket on which clients arrive: bound once, to this process alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>

#include "core/socket_address.h"
#include "platform/op.h"

namespace portshare {

struct ListenError {
  Status status = Status::failed;
  int system_error = 0;  ///< the errno; EADDRINUSE: somebody holds the address
  std::string
      message;  ///< a sentence without a full stop, e.g. "cannot listen on 0.0.0.0:80: permission denied: …"
};

/// Who may connect to a unix socket.
enum class SocketAccess : std::uint8_t {
  by_umask,
  owner_only,  ///< mode 0600, from its first moment on
};

/// Binds and listens; the result is non-blocking and close-on-exec.
///
/// TCP: nobody else can join the port while this socket listens (no SO_REUSEPORT), and connections of an
/// earlier run in TIME_WAIT do not block it (SO_REUSEADDR, which on Linux does not let two sockets listen).
/// An IPv6 address takes IPv6 clients only, so that "0.0.0.0:443" and "[::]:443" stand side by side.
/// Accepted sockets inherit TCP_NODELAY. Port 0 lets the system choose one.
///
/// Unix: a socket file that a dead process left behind is replaced, one behind which somebody listens is an
/// error.
///
/// `defer_accept`, if not zero: a TCP client is accepted when its first bytes have come (TCP_DEFER_ACCEPT).
/// One that stays silent is accepted after that time, which the system rounds up to one of its
/// retransmissions: the first is after a second.
[[nodiscard]] std::expected<Socket, ListenError> open_listening_socket(
    const SocketAddress& address, std::chrono::seconds defer_accept = std::chrono::seconds{0},
    SocketAccess access = SocketAccess::by_umask);

/// Closes it and removes the file of a unix socket. No accept may be pending on it.
void close_listening_socket(Socket listener);

/// The address that a listener really has, with the port that the system chose.
[[nodiscard]] SocketAddress address_of_listening_socket(Socket listener);

}  // namespace portshare
