#include "platform/listening_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "platform/address_translation.h"
#include "platform/error_translation.h"

namespace portshare {

namespace {

// The kernel cuts it to net.core.somaxconn.
constexpr int backlog = 65535;

// Closes the descriptor unless it is let go.
class DescriptorGuard {
 public:
  explicit DescriptorGuard(int descriptor) : descriptor_(descriptor) {}
  DescriptorGuard(const DescriptorGuard&) = delete;
  DescriptorGuard& operator=(const DescriptorGuard&) = delete;
  ~DescriptorGuard() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }
  int let_go() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

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
      if (address.ip->port < 1024) return "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE";
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

// Finds out who is behind a socket file that is in the way, and removes it if nobody is; the errno that
// stands against it, else 0.
int remove_stale_socket_file(const std::string& path, const sockaddr* address, socklen_t length) {
  struct stat file{};
  if (::lstat(path.c_str(), &file) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(file.st_mode)) return ENOTSOCK;
  const DescriptorGuard caller(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (caller.get() < 0) return errno;
  // Only "refused" says that nobody is there; a full queue, for one, says the contrary.
  if (::connect(caller.get(), address, length) == 0 || errno != ECONNREFUSED) return EADDRINUSE;
  return ::unlink(path.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

}  // namespace

std::expected<Socket, ListenError> open_listening_socket(const SocketAddress& address,
                                                         std::chrono::seconds defer_accept,
                                                         SocketAccess access) {
  sockaddr_storage storage{};
  const socklen_t length = to_system_address(address, storage);
  if (length == 0) return failure(address, ENAMETOOLONG);
  const auto* system_address = reinterpret_cast<const sockaddr*>(&storage);

  DescriptorGuard descriptor(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (descriptor.get() < 0) return failure(address, errno);
  if (address.ip) {
    set_option(descriptor.get(), SOL_SOCKET, SO_REUSEADDR);
    set_option(descriptor.get(), IPPROTO_TCP, TCP_NODELAY);
    if (defer_accept.count() > 0) {
      set_option(descriptor.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, static_cast<int>(defer_accept.count()));
    }
    if (storage.ss_family == AF_INET6) set_option(descriptor.get(), IPPROTO_IPV6, IPV6_V6ONLY);
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
  return Socket{descriptor.let_go()};
}

SocketAddress address_of_listening_socket(Socket listener) {
  sockaddr_storage storage{};
  auto* system_address = reinterpret_cast<sockaddr*>(&storage);
  socklen_t length = sizeof(storage);
  if (::getsockname(std::to_underlying(listener), system_address, &length) != 0) return {};
  return {.ip = to_endpoint(*system_address, length),
          .unix_path = to_unix_path(storage, length).value_or(std::string{})};
}

void close_listening_socket(Socket listener) {
  // The file goes first: once the socket is closed it might be another program's.
  const std::string path = address_of_listening_socket(listener).unix_path;
  if (!path.empty()) ::unlink(path.c_str());
  ::close(std::to_underlying(listener));
}

}  // namespace portshare
