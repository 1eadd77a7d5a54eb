// A socket on which clients arrive: bound once, to this process alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
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
/// error. Its permissions are left to the umask.
///
/// `defer_accept`, if not zero: a TCP client is accepted when its first bytes have come (TCP_DEFER_ACCEPT).
/// One that stays silent is accepted after that time, which the system rounds up to one of its
/// retransmissions: the first is after a second.
[[nodiscard]] std::expected<Socket, ListenError> open_listening_socket(
    const SocketAddress& address, std::chrono::seconds defer_accept = std::chrono::seconds{0});

/// The same for the admin socket and the monitor.
[[nodiscard]] std::expected<Socket, ListenError> open_control_socket(const SocketAddress& address,
                                                                     SocketAccess access);

/// The same for an address that overlaps with some of ours, which listen and are to be closed soon: a
/// wildcard in place of an address of its port, or the other way round. For the length of the call strangers
/// of the same user could join the port.
[[nodiscard]] std::expected<Socket, ListenError> open_beside_own_sockets(const SocketAddress& address,
                                                                         std::chrono::seconds defer_accept,
                                                                         std::span<const Socket> own);
/// To be called when those are closed: the system remembers that the port was shared, and would let strangers
/// of the same user share it again. Best effort: it needs one address on which the port is free.
void forget_sharing(std::uint16_t port);

/// Lets the handshakes that have begun come to their end, and no new ones begin: who tries comes to another
/// socket that listens on the address, or is refused. For a socket that is about to be closed, which would
/// reset whatever waits in its queue. No effect on a unix socket.
void stop_handshakes(Socket listener);

/// From now on this process is the one that find_unix_listener() tells of, and not another one that has
/// listened on the socket before. No effect on one of TCP.
void listen_as_this_process(Socket listener);

/// Changes what was given when it was opened.
void set_defer_accept(Socket listener, std::chrono::seconds defer_accept);

/// Closes it and removes the file of a unix socket. No accept may be pending on it.
void close_listening_socket(Socket listener);

/// Makes a listener of a socket that the service manager has bound and passed (service_manager.h): it must be
/// a stream socket of TCP or of a unix path that listens, and becomes non-blocking. What its unit can say
/// about it stays as it is: backlog, DeferAcceptSec= and so on; only TCP_NODELAY is set for the accepted
/// ones. The message of the error continues a sentence that names the socket: "is not listening; …".
[[nodiscard]] std::expected<void, ListenError> prepare_passed_socket(Socket passed);

/// The address that a listener really has, with the port that the system chose.
[[nodiscard]] SocketAddress address_of_listening_socket(Socket listener);

/// The number by which the kernel's lists name the socket; 0 if there is no such socket.
[[nodiscard]] std::uint64_t inode_of(Socket socket);

/// The process that listens on a unix socket, or began to; none if nobody does or this user may not connect
/// to it, which is how it is found out.
[[nodiscard]] std::optional<int> find_unix_listener(const std::string& path);

}  // namespace portshare
