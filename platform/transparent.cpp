#include "platform/transparent.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "platform/address_translation.h"

namespace portshare {

namespace {

int make_transparent(int descriptor, bool is_v4) {
  const int on = 1;
  const int result = is_v4 ? ::setsockopt(descriptor, SOL_IP, IP_TRANSPARENT, &on, sizeof(on))
                           : ::setsockopt(descriptor, SOL_IPV6, IPV6_TRANSPARENT, &on, sizeof(on));
  return result == 0 ? 0 : errno;
}

}  // namespace

std::expected<void, std::string> can_connect_transparently() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int error = descriptor < 0 ? errno : make_transparent(descriptor, true);
  if (descriptor >= 0) ::close(descriptor);
  if (error == 0) return {};
  return std::unexpected(error == EPERM
                             ? std::string("connecting from a client's address needs CAP_NET_ADMIN")
                             : "this system cannot connect from a client's address: " +
                                   std::generic_category().message(error));
}

int bind_to_source(int descriptor, const IpAddress& source) {
  if (const int error = make_transparent(descriptor, source.is_v4())) return error;
  // The port is chosen by the connect, which knows the other end: so a client's address has all ports for
  // each server, and not for all of them together.
  const int on = 1;
  ::setsockopt(descriptor, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  sockaddr_storage storage{};
  const socklen_t length =
      to_system_address({.ip = IpEndpoint{.address = source, .port = 0}, .unix_path = {}}, storage);
  return ::bind(descriptor, reinterpret_cast<const sockaddr*>(&storage), length) == 0 ? 0 : errno;
}

}  // namespace portshare
