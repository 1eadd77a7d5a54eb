#include "platform/spare_sockets.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace portshare {

namespace {

/// The two ends have told each other that they are done, and the kernel has nothing left to do.
bool is_over(int descriptor) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  return ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&storage), &length) != 0 && errno == ENOTCONN;
}

/// An error that nobody has heard of yet would be the next connection's. One that comes behind the end of the
/// stream means nothing any more: a server's system with too many sockets in TIME_WAIT answers our FIN with a
/// reset (TCPTimeWaitOverflow). Asking clears it.
bool clear_error(int descriptor) {
  int error = 0;
  socklen_t length = sizeof(error);
  return ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0;
}

bool set_back(int descriptor) {
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  return ::connect(descriptor, &nobody, sizeof(nobody)) == 0;
}

}  // namespace

SpareSockets::~SpareSockets() {
  clear();
}

void SpareSockets::clear() {
  for (std::vector<int>& spares : spares_) {
    for (const int descriptor : spares) ::close(descriptor);
    spares.clear();
  }
}

int SpareSockets::take(Kind kind) {
  std::vector<int>& spares = spares_[number_of(kind)];
  if (spares.empty()) return -1;
  const int descriptor = spares.back();
  spares.pop_back();
  return descriptor;
}

void SpareSockets::connected_at_once(Socket socket, Kind kind) {
  const auto number = static_cast<std::size_t>(std::to_underlying(socket));
  if (number >= kinds_.size()) kinds_.resize(std::max(number + 1, kinds_.size() * 2), no_kind);
  kinds_[number] = number_of(kind);
}

std::uint8_t SpareSockets::take_kind(Socket socket) {
  const auto number = static_cast<std::size_t>(std::to_underlying(socket));
  return number < kinds_.size() ? std::exchange(kinds_[number], no_kind) : no_kind;
}

void SpareSockets::forget(Socket socket) {
  (void)take_kind(socket);
}

bool SpareSockets::keep(Socket socket) {
  const int descriptor = std::to_underlying(socket);
  const std::uint8_t kind = take_kind(socket);
  if (kind == no_kind || spares_[kind].size() >= most_spares) return false;
  ::shutdown(descriptor, SHUT_WR);
  if (!is_over(descriptor) || !clear_error(descriptor) || !set_back(descriptor)) return false;
  spares_[kind].push_back(descriptor);
  return true;
}

}  // namespace portshare
