#include "platform/posix_backend.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <string_view>
#include <utility>

#include "platform/address_translation.h"
#include "platform/error_translation.h"
#include "platform/transparent.h"

namespace portshare {

using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds unix_attempt_interval{5};

using EndpointCall = int (*)(int, sockaddr*, socklen_t*);

std::optional<IpEndpoint> endpoint_by(EndpointCall call, Socket socket) {
  sockaddr_storage storage{};
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  socklen_t length = sizeof(storage);
  if (call(std::to_underlying(socket), address, &length) != 0) return std::nullopt;
  return to_endpoint(*address, length);
}

}  // namespace

PosixBackend::~PosixBackend() {
  if (wake_descriptor_ >= 0) ::close(wake_descriptor_);
}

int PosixBackend::open_wake_descriptor() {
  wake_descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return wake_descriptor_ < 0 ? errno : 0;
}

void PosixBackend::wake() {
  // Fails only if the counter is full, and then the loop is about to wake up anyway.
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_descriptor_, &one, sizeof(one));
}

void PosixBackend::consume_wake() const {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_descriptor_, &count, sizeof(count));
}

std::optional<IpEndpoint> PosixBackend::local_endpoint(Socket socket) {
  return endpoint_by(::getsockname, socket);
}

std::optional<IpEndpoint> PosixBackend::peer_endpoint(Socket socket) {
  return endpoint_by(::getpeername, socket);
}

void PosixBackend::expect_bulk(Socket socket) {
  const auto local = local_endpoint(socket);
  const auto peer = peer_endpoint(socket);
  if (!local || !peer || !is_within_host(*local, *peer)) return;
  const int descriptor = std::to_underlying(socket);
  std::array<char, 16> name{};  // TCP_CA_NAME_MAX
  socklen_t length = name.size();
  const bool paces = ::getsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, name.data(), &length) == 0 &&
                     std::string_view(name.data()).starts_with("bbr");
  // Where there is no network, pacing spares nobody anything, and costs both ends a timer for every few
  // packets (docs/adr/0008-bulk-goes-through-pipes.md). Reno is in every kernel, and everybody may have it.
  constexpr std::string_view unpaced = "reno";
  if (paces && ::setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, unpaced.data(), unpaced.size()) == 0) {
    spare_sockets_.forget(socket);  // its next connection might leave the host
  }
}

microseconds PosixBackend::now() {
  return std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now().time_since_epoch());
}

void PosixBackend::settle(Op& op, int error, OpQueue& done) {
  op.system_error = error;
  finish(op, status_of(error), done);
}

bool PosixBackend::open_socket(Op& op, OpQueue& done) {
  const auto& ip = op.address->ip;
  // One that is bound to a client's address is nobody else's.
  int descriptor = ip && !op.has_source ? spare_sockets_.take(spare_kind(op)) : -1;
  if (descriptor < 0) {
    const int family = !ip ? AF_UNIX : ip->address.is_v4() ? AF_INET : AF_INET6;
    do {
      descriptor = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    } while (descriptor < 0 && gives_spares_up(errno));
    if (descriptor < 0) {
      settle(op, errno, done);
      return false;
    }
    // A relay passes on what it gets when it gets it; waiting for more is for the two ends to decide.
    const int on = 1;
    if (ip) ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    // On a socket that connects this keeps the acknowledgement that ends the handshake back, for the bytes
    // that are about to be sent.
    if (ip && op.data_follows) ::setsockopt(descriptor, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof(on));
  }
  op.socket = Socket{descriptor};
  if (op.has_source) {
    if (const int error =
            bind_to_source(descriptor, static_cast<const SourcedAddress*>(op.address)->source)) {
      finish_connect(op, error, done);
      return false;
    }
  }
  return true;
}

SpareSockets::Kind PosixBackend::spare_kind(const Op& op) {
  return {.is_v4 = op.address->ip->address.is_v4(), .speaks_first = op.data_follows};
}

bool PosixBackend::try_connect(Op& op, OpQueue& done) {
  if (!op.address->ip) {
    connect_unix(op, done);
    return op.state == Op::State::finished;
  }
  sockaddr_storage storage{};
  const socklen_t length = to_system_address(*op.address, storage);
  const auto* address = reinterpret_cast<const sockaddr*>(&storage);
  const int descriptor = std::to_underlying(op.socket);
  int error = ::connect(descriptor, address, length) == 0 ? 0 : errno;
  if (error == EALREADY) return false;
  // Over the loopback the handshake has ended within that call. To send or to ask once more is cheaper than
  // waiting to be told.
  if (error == EINPROGRESS) {
    if (op.length > 0) {
      const auto sent = send_first_bytes(op);
      if (!sent) return false;
      error = *sent;
    } else {
      error = ::connect(descriptor, address, length) == 0 ? 0 : errno;
      if (error == EALREADY) return false;
    }
    if (error == 0 && !op.has_source) spare_sockets_.connected_at_once(op.socket, spare_kind(op));
  } else if (error == 0 || error == EISCONN) {
    error = 0;
    if (op.length > 0) (void)send_first_bytes(op);
  }
  finish_connect(op, error, done);
  return true;
}

std::optional<int> PosixBackend::send_first_bytes(Op& op) {
  const auto sent =
      ::send(std::to_underlying(op.socket), op.first_bytes, op.length, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) {
    op.count = static_cast<std::uint32_t>(sent);
    return 0;
  }
  // No memory is no answer either: when there is some, the socket becomes writable.
  if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) return std::nullopt;
  // These come from a peer that was connected.
  return errno == ECONNRESET || errno == EPIPE ? 0 : errno;
}

void PosixBackend::finish_connect(Op& op, int error, OpQueue& done) {
  if (error == 0) {
    finish(op, Status::ok, done);
    return;
  }
  ::close(std::to_underlying(std::exchange(op.socket, Socket::none)));
  settle(op, error, done);
  if (error == EADDRNOTAVAIL) op.status = Status::no_local_port;
}

void PosixBackend::connect_unix(Op& op, OpQueue& done) {
  sockaddr_storage address{};
  const socklen_t length = to_system_address(*op.address, address);
  if (length == 0) {
    finish_connect(op, ENAMETOOLONG, done);
    return;
  }
  if (::connect(std::to_underlying(op.socket), reinterpret_cast<const sockaddr*>(&address), length) == 0) {
    if (op.length > 0) (void)send_first_bytes(op);
    finish_connect(op, 0, done);
  } else if (errno == EAGAIN) {
    if (unix_connects_.empty()) next_unix_attempt_ = now() + unix_attempt_interval;
    unix_connects_.push(op);
  } else {
    finish_connect(op, errno, done);
  }
}

void PosixBackend::retry_unix_connects(OpQueue& done) {
  if (unix_connects_.empty() || now() < next_unix_attempt_) return;
  OpQueue batch;
  batch.append(unix_connects_);
  while (Op* op = batch.pop()) connect_unix(*op, done);
}

std::optional<milliseconds> PosixBackend::wait_for_retry(std::optional<milliseconds> wait) const {
  if (unix_connects_.empty()) return wait;
  return std::min(wait.value_or(unix_attempt_interval), unix_attempt_interval);
}

bool PosixBackend::cancel_unix_connect(Op& op, OpQueue& done) {
  if (op.kind != Op::Kind::connect || op.address->ip || !unix_connects_.remove(op)) return false;
  finish_connect(op, ECANCELED, done);
  return true;
}

PosixBackend::Attempt PosixBackend::try_receive_bulk(Op& op, OpQueue& done) {
  const Pipe pipe = pipes_.acquire();
  if (pipe == Pipe::none) return Attempt::no_pipe;
  const auto moved = ::splice(std::to_underlying(op.socket), nullptr, pipes_.write_end(pipe), nullptr,
                              op.length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  const int error = moved < 0 ? errno : 0;
  if (moved > 0) {
    op.pipe = pipe;
    op.count = static_cast<std::uint32_t>(moved);
  } else {
    pipes_.release(pipe, true);
    if (error == EAGAIN) return Attempt::waits;
    // splice takes an urgent byte for the end; a receive steps over it.
    if (moved == 0 && !is_at_end(op.socket)) return Attempt::no_pipe;
  }
  settle(op, error, done);
  return Attempt::over;
}

bool PosixBackend::try_send_from_pipe(const PipePool& pipes, Op& op, OpQueue& done) {
  const auto moved = ::splice(pipes.read_end(op.pipe), nullptr, std::to_underlying(op.socket), nullptr,
                              op.length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (moved < 0 && errno == EAGAIN) return false;
  finish_send(op, moved < 0 ? -errno : moved, done);
  return true;
}

std::vector<std::uint8_t> PosixBackend::empty_pipe(Pipe pipe) {
  std::vector<std::uint8_t> bytes;
  int waiting = 0;
  while (::ioctl(pipes_.read_end(pipe), FIONREAD, &waiting) == 0 && waiting > 0) {
    const std::size_t before = bytes.size();
    bytes.resize(before + static_cast<std::size_t>(waiting));
    const auto got = ::read(pipes_.read_end(pipe), bytes.data() + before, static_cast<std::size_t>(waiting));
    bytes.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got <= 0 && errno != EINTR) break;
  }
  pipes_.release(pipe, waiting == 0);
  return bytes;
}

bool PosixBackend::is_at_end(Socket socket) {
  std::uint8_t byte = 0;
  return ::recv(std::to_underlying(socket), &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) == 0;
}

int PosixBackend::send_flags(const Op& op) {
  // MSG_MORE keeps the last bytes back for the end of the stream, which follows at once.
  return MSG_NOSIGNAL | (op.ends_stream ? MSG_MORE : 0);
}

void PosixBackend::finish_send(Op& op, long sent, OpQueue& done) {
  int error = sent < 0 ? static_cast<int>(-sent) : 0;
  op.count = sent < 0 ? 0 : static_cast<std::uint32_t>(sent);
  if (op.ends_stream && op.count == op.length) {
    op.last = ::shutdown(std::to_underlying(op.socket), SHUT_WR) == 0;
    if (!op.last) error = errno;
  }
  settle(op, error, done);
}

bool PosixBackend::finish_without_buffer(Op& op, OpQueue& done) {
  std::uint8_t byte = 0;
  const auto got = ::recv(std::to_underlying(op.socket), &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return false;
  if (got > 0)
    finish(op, Status::no_resources, done);
  else
    settle(op, got < 0 ? errno : 0, done);
  return true;
}

bool PosixBackend::gives_spares_up(int error) {
  if ((error != EMFILE && error != ENFILE) || spare_sockets_.empty()) return false;
  spare_sockets_.clear();
  return true;
}

bool PosixBackend::keep_socket(const Op& op) {
  if (op.close_mode == CloseMode::after_end) return spare_sockets_.keep(op.socket);
  spare_sockets_.forget(op.socket);
  return false;
}

void PosixBackend::abort_on_close(Socket socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(std::to_underlying(socket), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void PosixBackend::finish_shutdown(Op& op, OpQueue& done) {
  const int result = ::shutdown(std::to_underlying(op.socket), SHUT_WR);
  settle(op, result == 0 ? 0 : errno, done);
}

}  // namespace portshare
