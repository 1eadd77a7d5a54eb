#include "platform/listening_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <optional>
#include <system_error>
#include <utility>

#include "platform/address_translation.h"
#include "platform/error_translation.h"
#include "platform/file_descriptor.h"
#include "platform/local_addresses.h"

namespace portshare {

namespace {

// The kernel cuts it to net.core.somaxconn.
constexpr int backlog = 65535;

std::string explain(const SocketAddress& address, int error) {
  const bool is_unix = !address.ip;
  switch (error) {
    case EADDRINUSE:
      return is_unix ? "a program is listening there already"
                     : "the address is already in use by another program";
    case EADDRNOTAVAIL:
      return "this host does not have that address";
    case EAFNOSUPPORT:
      return address.ip && !address.ip->address.is_v4() ? "this host has no IPv6"
                                                        : "this kind of address is not supported";
    case EACCES:
    case EPERM:
      if (is_unix) return "permission denied: this user must be able to write to the folder";
      if (address.ip->port < first_unprivileged_port())
        return "permission denied: ports below " + std::to_string(first_unprivileged_port()) +
               " need CAP_NET_BIND_SERVICE";
      return "permission denied";
    case ENOENT:
      return "the folder does not exist";
    case ENAMETOOLONG:
      return "the path is longer than " + std::to_string(SocketAddress::max_path_length) + " bytes";
    case ENOTSOCK:
      return "a file that is not a socket stands there";
    case EMFILE:
    case ENFILE:
      return "out of file descriptors";
    default:
      return std::generic_category().message(error);
  }
}

std::unexpected<ListenError> failure(const SocketAddress& address, int error) {
  return std::unexpected(ListenError{
      status_of(error), error, "cannot listen on " + address.to_string() + ": " + explain(address, error)});
}

void set_option(int descriptor, int level, int option, int value = 1) {
  ::setsockopt(descriptor, level, option, &value, sizeof(value));
}

// None if the descriptor is no socket.
std::optional<int> option_of(int descriptor, int option) {
  int value = 0;
  socklen_t length = sizeof(value);
  if (::getsockopt(descriptor, SOL_SOCKET, option, &value, &length) != 0) return std::nullopt;
  return value;
}

// Finds out who is behind a socket file that is in the way, and removes it if nobody is; the errno that
// stands against it, else 0.
int remove_stale_socket_file(const std::string& path, const sockaddr* address, socklen_t length) {
  struct stat file{};
  if (::lstat(path.c_str(), &file) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(file.st_mode)) return ENOTSOCK;
  const FileDescriptor caller(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!caller.is_open()) return errno;
  // Only "refused" says that nobody is there; a full queue, for one, says the contrary.
  const int result = ::connect(caller.get(), address, length);
  // Who may not ask knows nothing of it, and could not replace the file either.
  if (result != 0 && errno == EACCES) return EACCES;
  if (result == 0 || errno != ECONNREFUSED) return EADDRINUSE;
  return ::unlink(path.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

enum class Sharing : bool { off, on };

std::expected<Socket, ListenError> open_socket(const SocketAddress& address,
                                               std::chrono::seconds defer_accept, Sharing sharing,
                                               SocketAccess access = SocketAccess::by_umask) {
  sockaddr_storage storage{};
  const socklen_t length = to_system_address(address, storage);
  if (length == 0) return failure(address, ENAMETOOLONG);
  const auto* system_address = reinterpret_cast<const sockaddr*>(&storage);

  FileDescriptor descriptor(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!descriptor.is_open()) return failure(address, errno);
  if (address.ip) {
    set_option(descriptor.get(), SOL_SOCKET, SO_REUSEADDR);
    set_option(descriptor.get(), IPPROTO_TCP, TCP_NODELAY);
    if (defer_accept.count() > 0) {
      set_option(descriptor.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, static_cast<int>(defer_accept.count()));
    }
    if (storage.ss_family == AF_INET6) set_option(descriptor.get(), IPPROTO_IPV6, IPV6_V6ONLY);
    if (sharing == Sharing::on) set_option(descriptor.get(), SOL_SOCKET, SO_REUSEPORT);
  }

  if (!address.ip && access == SocketAccess::owner_only) {
    // The file of the socket gets the mode that the descriptor has when it is bound (Linux, net/unix), so
    // that there is no moment in which others could connect.
    if (::fchmod(descriptor.get(), S_IRUSR | S_IWUSR) != 0) return failure(address, errno);
  }
  int result = ::bind(descriptor.get(), system_address, length);
  if (result != 0 && errno == EADDRINUSE && !address.ip) {
    if (const int error = remove_stale_socket_file(address.unix_path, system_address, length))
      return failure(address, error);
    result = ::bind(descriptor.get(), system_address, length);
  }
  // Two sockets with SO_REUSEADDR may both be bound; then it is listen that fails for the second.
  if (result == 0) result = ::listen(descriptor.get(), backlog);
  if (result != 0) return failure(address, errno);
  return Socket{descriptor.release()};
}

void set_sharing(Socket socket, Sharing sharing) {
  set_option(std::to_underlying(socket), SOL_SOCKET, SO_REUSEPORT, sharing == Sharing::on ? 1 : 0);
}

}  // namespace

std::expected<Socket, ListenError> open_listening_socket(const SocketAddress& address,
                                                         std::chrono::seconds defer_accept) {
  return open_socket(address, defer_accept, Sharing::off);
}

std::expected<Socket, ListenError> open_control_socket(const SocketAddress& address, SocketAccess access) {
  return open_socket(address, std::chrono::seconds{0}, Sharing::off, access);
}

std::expected<Socket, ListenError> open_beside_own_sockets(const SocketAddress& address,
                                                           std::chrono::seconds defer_accept,
                                                           std::span<const Socket> own) {
  for (const Socket socket : own) set_sharing(socket, Sharing::on);
  auto opened = open_socket(address, defer_accept, Sharing::on);
  for (const Socket socket : own) set_sharing(socket, Sharing::off);
  if (opened) set_sharing(*opened, Sharing::off);
  return opened;
}

void forget_sharing(std::uint16_t port) {
  // The memory of the kernel is the port's, whatever the family, and a socket that shares nothing ends it.
  for (const char* host : {"::1", "127.0.0.1"}) {
    sockaddr_storage storage{};
    const socklen_t length = to_system_address(
        {.ip = IpEndpoint{.address = *IpAddress::parse(host), .port = port}, .unix_path = {}}, storage);
    const FileDescriptor descriptor(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!descriptor.is_open()) continue;
    set_option(descriptor.get(), SOL_SOCKET, SO_REUSEADDR);
    if (storage.ss_family == AF_INET6) set_option(descriptor.get(), IPPROTO_IPV6, IPV6_V6ONLY);
    if (::bind(descriptor.get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0) return;
  }
}

void stop_handshakes(Socket listener) {
  // Bound to an interface that does not exist, it is found for no SYN. Handshakes that have begun, and their
  // connections, are bound to what it was bound to then, which is nothing. In contrast to a socket filter
  // this takes no capability (since Linux 5.7).
  constexpr int no_interface = INT_MAX;
  if (!address_of_listening_socket(listener).ip) return;
  set_option(std::to_underlying(listener), SOL_SOCKET, SO_BINDTOIFINDEX, no_interface);
}

void listen_as_this_process(Socket listener) {
  if (!address_of_listening_socket(listener).unix_path.empty()) {
    ::listen(std::to_underlying(listener), backlog);
  }
}

void set_defer_accept(Socket listener, std::chrono::seconds defer_accept) {
  set_option(std::to_underlying(listener), IPPROTO_TCP, TCP_DEFER_ACCEPT,
             static_cast<int>(defer_accept.count()));
}

std::expected<void, ListenError> prepare_passed_socket(Socket passed) {
  const auto fault = [](const char* message) {
    return std::unexpected(ListenError{Status::failed, EINVAL, message});
  };
  const int descriptor = std::to_underlying(passed);
  const auto family = option_of(descriptor, SO_DOMAIN);
  if (!family) return fault("is no socket");
  if (option_of(descriptor, SO_TYPE) != SOCK_STREAM) {
    return fault("is no stream socket; its unit needs ListenStream=");
  }
  if (*family == AF_INET || *family == AF_INET6) {
    if (option_of(descriptor, SO_PROTOCOL) != IPPROTO_TCP) return fault("is not of TCP");
  } else if (*family != AF_UNIX) {
    return fault("is neither of TCP nor a unix socket");
  }
  if (option_of(descriptor, SO_ACCEPTCONN) != 1) {
    return fault("is not listening; its unit needs Accept=no");
  }
  if (const SocketAddress address = address_of_listening_socket(passed);
      !address.ip && address.unix_path.empty()) {
    return fault("is an abstract unix socket, which has no permissions; its unit needs a path");
  }
  if (::fcntl(descriptor, F_SETFL, O_NONBLOCK) != 0) {
    const int error = errno;
    return std::unexpected(
        ListenError{status_of(error), error, "cannot be used: " + std::generic_category().message(error)});
  }
  if (*family != AF_UNIX) set_option(descriptor, IPPROTO_TCP, TCP_NODELAY);
  return {};
}

SocketAddress address_of_listening_socket(Socket listener) {
  sockaddr_storage storage{};
  auto* system_address = reinterpret_cast<sockaddr*>(&storage);
  socklen_t length = sizeof(storage);
  if (::getsockname(std::to_underlying(listener), system_address, &length) != 0) return {};
  return {.ip = to_endpoint(*system_address, length),
          .unix_path = to_unix_path(storage, length).value_or(std::string{}),
          .interface = interface_of(storage)};
}

std::uint64_t inode_of(Socket socket) {
  struct stat status{};
  return ::fstat(std::to_underlying(socket), &status) == 0 ? status.st_ino : 0;
}

std::optional<int> find_unix_listener(const std::string& path) {
  sockaddr_storage storage{};
  const socklen_t length = to_system_address({.ip = {}, .unix_path = path}, storage);
  const FileDescriptor caller(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!caller.is_open()) return std::nullopt;
  if (::connect(caller.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) return std::nullopt;
  ucred peer{};
  socklen_t peer_length = sizeof(peer);
  if (::getsockopt(caller.get(), SOL_SOCKET, SO_PEERCRED, &peer, &peer_length) != 0) return std::nullopt;
  return peer.pid;
}

void close_listening_socket(Socket listener) {
  // The file goes first: once the socket is closed it might be another program's.
  const std::string path = address_of_listening_socket(listener).unix_path;
  if (!path.empty()) ::unlink(path.c_str());
  ::close(std::to_underlying(listener));
}

}  // namespace portshare
