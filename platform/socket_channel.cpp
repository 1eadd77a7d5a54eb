#include "platform/socket_channel.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace portshare {

void close_in_this_process(Socket socket) {
  ::close(std::to_underlying(socket));
}

std::expected<std::pair<SocketChannel, SocketChannel>, std::string> SocketChannel::make_pair() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return std::unexpected("cannot make a pair of sockets: " + std::generic_category().message(errno));
  }
  return std::pair(SocketChannel(FileDescriptor(ends[0])), SocketChannel(FileDescriptor(ends[1])));
}

void SocketChannel::set_patience(std::chrono::milliseconds patience) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(patience);
  const timeval time{.tv_sec = seconds.count(),
                     .tv_usec = std::chrono::microseconds(patience - seconds).count()};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    ::setsockopt(descriptor_.get(), SOL_SOCKET, option, &time, sizeof(time));
  }
}

bool SocketChannel::send(ByteView bytes, std::span<const Socket> sockets) {
  assert(!bytes.empty() && bytes.size() <= most_bytes && sockets.size() <= most_sockets);
  iovec part{.iov_base = const_cast<std::uint8_t*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(most_sockets * sizeof(int))> control{};
  if (!sockets.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sockets.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sockets.size_bytes());
    static_assert(sizeof(Socket) == sizeof(int));
    std::memcpy(CMSG_DATA(header), sockets.data(), sockets.size_bytes());
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(descriptor_.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(bytes.size());
}

std::optional<SocketChannel::Message> SocketChannel::receive() {
  Message message;
  message.bytes.resize(most_bytes);
  iovec part{.iov_base = message.bytes.data(), .iov_len = message.bytes.size()};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(most_sockets * sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(descriptor_.get(), &header, MSG_CMSG_CLOEXEC);
    // The second says, once, that the other end was closed before it had read everything. What that one has
    // sent may still be there.
  } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
  if (got <= 0) return std::nullopt;
  message.bytes.resize(static_cast<std::size_t>(got));
  for (cmsghdr* each = CMSG_FIRSTHDR(&header); each; each = CMSG_NXTHDR(&header, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t size = each->cmsg_len - CMSG_LEN(0);
    const std::size_t before = message.sockets.size();
    message.sockets.resize(before + size / sizeof(Socket), Socket::none);
    std::memcpy(message.sockets.data() + before, CMSG_DATA(each), size);
  }
  return message;
}

void SocketChannel::shut_down() {
  ::shutdown(descriptor_.get(), SHUT_RDWR);
}

}  // namespace portshare
