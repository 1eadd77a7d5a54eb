#include "platform/epoll.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <utility>

#include "platform/address_translation.h"
#include "platform/error_translation.h"

namespace portshare {

using std::chrono::milliseconds;

namespace {

constexpr std::uint32_t input_events = EPOLLIN | EPOLLPRI | EPOLLRDHUP;
constexpr std::uint32_t end_events = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
constexpr std::uint32_t listener_events = EPOLLIN | EPOLLEXCLUSIVE;

// How many turns in a row may live on what was done at once, before the others get a look-in.
constexpr int most_turns_without_wait = 4;

std::uint64_t event_key(Socket socket, std::uint32_t generation) {
  return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(std::to_underlying(socket));
}

}  // namespace

std::expected<std::unique_ptr<EpollBackend>, int> EpollBackend::create() {
  std::unique_ptr<EpollBackend> backend(new EpollBackend);
  if (const int error = backend->open()) return std::unexpected(error);
  return backend;
}

int EpollBackend::open() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return errno;
  if (const int error = open_wake_descriptor()) return error;
  const Socket waker{wake_descriptor()};
  return watch(waker, descriptor_of(waker), EPOLLIN) ? 0 : errno;
}

EpollBackend::~EpollBackend() {
  if (epoll_ >= 0) ::close(epoll_);
}

EpollBackend::Descriptor& EpollBackend::descriptor_of(Socket socket) {
  const auto number = static_cast<std::size_t>(std::to_underlying(socket));
  // By little: what is not used is touched all the same, and the vector moves only when it has doubled.
  if (number >= descriptors_.size()) descriptors_.resize(number + 1 + number / 8);
  return descriptors_[number];
}

void EpollBackend::reset(Socket socket) {
  Descriptor& descriptor = descriptor_of(socket);
  assert(!descriptor.reader && !descriptor.writer);
  descriptor = Descriptor{.generation = descriptor.generation + 1};
}

bool EpollBackend::watch(Socket socket, Descriptor& descriptor, std::uint32_t events) {
  if ((descriptor.interest & events) == events) return true;
  const std::uint32_t interest = descriptor.interest | events;
  epoll_event event{};
  event.events = interest;
  event.data.u64 = event_key(socket, descriptor.generation);
  const int operation = descriptor.interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (::epoll_ctl(epoll_, operation, std::to_underlying(socket), &event) != 0) return false;
  descriptor.interest = interest;
  return true;
}

void EpollBackend::submit_and_wait(OpQueue& queued, OpQueue& done, std::optional<milliseconds> wait) {
  done.append(ended_);
  retry_unix_connects(done);
  while (Op* op = queued.pop()) {
    op->state = Op::State::in_flight;
    submit(*op, done);
  }
  rest_listeners();

  const bool something_done = !done.empty();
  if (something_done && ++turns_without_wait_ <= most_turns_without_wait) return;
  turns_without_wait_ = 0;

  int timeout_ms = -1;
  if (something_done) {
    timeout_ms = 0;
  } else if (const auto limited = wait_for_retry(wait)) {
    timeout_ms = static_cast<int>(std::clamp<milliseconds::rep>(limited->count(), 0, INT32_MAX));
  }
  std::array<epoll_event, 256> events;
  const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  assert(count >= 0 || errno == EINTR);
  for (int i = 0; i < count; ++i) handle(events[static_cast<std::size_t>(i)], done);
}

void EpollBackend::rest_listeners() {
  for (const Socket listener : listeners_at_rest_) {
    Descriptor& descriptor = descriptor_of(listener);
    if (descriptor.reader || descriptor.interest == 0) continue;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, std::to_underlying(listener), nullptr);
    descriptor.interest = 0;
  }
  listeners_at_rest_.clear();
}

void EpollBackend::submit(Op& op, OpQueue& done) {
  switch (op.kind) {
    case Op::Kind::accept:
      submit_accept(op, done);
      return;
    case Op::Kind::connect:
      submit_connect(op, done);
      return;
    case Op::Kind::receive:
      submit_receive(op, done);
      return;
    case Op::Kind::send:
      submit_send(op, done);
      return;
    case Op::Kind::shutdown:
      finish_shutdown(op, done);
      return;
    case Op::Kind::close:
      close(op, done);
      return;
    case Op::Kind::none:
      break;
  }
  assert(false);
}

void EpollBackend::submit_accept(Op& op, OpQueue& done) {
  // Not tried at once: the listener is level-triggered, and a worker that is busy leaves the connection to
  // one that waits.
  Descriptor& descriptor = descriptor_of(op.listener);
  if (!watch(op.listener, descriptor, listener_events)) {
    settle(op, errno, done);
    return;
  }
  op.next = std::exchange(descriptor.reader, &op);
}

void EpollBackend::submit_connect(Op& op, OpQueue& done) {
  if (!open_socket(op, done)) return;
  reset(op.socket);
  Descriptor& descriptor = descriptor_of(op.socket);
  descriptor.may_have_input = false;
  if (try_connect(op, done) || !op.address->ip) return;
  if (watch(op.socket, descriptor, input_events | EPOLLOUT | EPOLLET))
    descriptor.writer = &op;
  else
    finish_connect(op, errno, done);
}

void EpollBackend::submit_receive(Op& op, OpQueue& done) {
  Descriptor& descriptor = descriptor_of(op.socket);
  assert(!descriptor.reader);
  // Who does not wait is not told by an event either, and has to look.
  if ((descriptor.may_have_input || op.only_now) && try_receive(op, descriptor, done)) return;
  if (op.only_now) return finish(op, Status::nothing_yet, done);
  // Registering reports what has come in the meantime.
  if (watch(op.socket, descriptor, input_events | EPOLLET))
    descriptor.reader = &op;
  else
    settle(op, errno, done);
}

void EpollBackend::submit_send(Op& op, OpQueue& done) {
  if (try_send(op, done)) return;
  Descriptor& descriptor = descriptor_of(op.socket);
  assert(!descriptor.writer);
  if (watch(op.socket, descriptor, input_events | EPOLLOUT | EPOLLET))
    descriptor.writer = &op;
  else
    settle(op, errno, done);
}

void EpollBackend::close(Op& op, OpQueue& done) {
  const bool is_registered = descriptor_of(op.socket).interest != 0;
  reset(op.socket);
  if (op.close_mode == CloseMode::reset) abort_on_close(op.socket);
  const bool is_kept = keep_socket(op);
  // A close takes the socket out of the set only if nobody else has it.
  if (is_registered && (is_kept || op.close_mode == CloseMode::handed_over)) {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, std::to_underlying(op.socket), nullptr);
  }
  if (!is_kept) ::close(std::to_underlying(op.socket));
  finish(op, Status::ok, done);
}

void EpollBackend::cancel(Op& in_flight) {
  if (cancel_unix_connect(in_flight, ended_)) return;
  switch (in_flight.kind) {
    case Op::Kind::accept: {
      Op** link = &descriptor_of(in_flight.listener).reader;
      while (*link != &in_flight) link = &(*link)->next;
      *link = std::exchange(in_flight.next, nullptr);
      listeners_at_rest_.push_back(in_flight.listener);
      rest_listeners();
      settle(in_flight, ECANCELED, ended_);
      return;
    }
    case Op::Kind::receive:
      descriptor_of(in_flight.socket).reader = nullptr;
      settle(in_flight, ECANCELED, ended_);
      return;
    case Op::Kind::send:
      descriptor_of(in_flight.socket).writer = nullptr;
      settle(in_flight, ECANCELED, ended_);
      return;
    case Op::Kind::connect:
      descriptor_of(in_flight.socket).writer = nullptr;
      finish_connect(in_flight, ECANCELED, ended_);
      return;
    case Op::Kind::shutdown:
    case Op::Kind::close:
    case Op::Kind::none:
      break;
  }
  assert(false);
}

void EpollBackend::handle(const epoll_event& event, OpQueue& done) {
  const Socket socket{static_cast<std::int32_t>(event.data.u64 & UINT32_MAX)};
  Descriptor& descriptor = descriptor_of(socket);
  if (descriptor.generation != event.data.u64 >> 32) return;
  if (std::to_underlying(socket) == wake_descriptor()) {
    consume_wake();
    return;
  }
  if (descriptor.interest & EPOLLEXCLUSIVE) {
    handle_listener(socket, descriptor, done);
    return;
  }
  if (event.events & end_events) descriptor.ended = true;
  if (event.events & EPOLLPRI) descriptor.has_urgent_byte = true;
  if ((event.events & (EPOLLRDHUP | EPOLLERR)) == EPOLLRDHUP) descriptor.stream_ended = true;
  if (event.events & (EPOLLIN | end_events)) descriptor.may_have_input = true;

  if (Op* op = descriptor.writer; op && event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
    descriptor.writer = nullptr;
    const bool is_over = op->kind == Op::Kind::connect ? try_connect(*op, done) : try_send(*op, done);
    if (!is_over) descriptor.writer = op;
  }
  if (Op* op = descriptor.reader; op && descriptor.may_have_input) {
    descriptor.reader = nullptr;
    if (!try_receive(*op, descriptor, done)) descriptor.reader = op;
  }
}

void EpollBackend::handle_listener(Socket listener, Descriptor& descriptor, OpQueue& done) {
  assert(descriptor.reader);
  // One per turn. That a second one waits as well would be a guess, which costs a call where it is wrong; if
  // one does, the next turn says so.
  Op& op = *descriptor.reader;
  descriptor.reader = std::exchange(op.next, nullptr);
  if (!descriptor.reader) listeners_at_rest_.push_back(listener);
  if (try_accept(op, done)) return;
  Descriptor& same = descriptor_of(listener);  // accepting may have moved the table
  op.next = std::exchange(same.reader, &op);
}

bool EpollBackend::try_accept(Op& op, OpQueue& done) {
  while (true) {
    const int accepted =
        ::accept4(std::to_underlying(op.listener), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
      op.socket = Socket{accepted};
      reset(op.socket);
      finish(op, Status::ok, done);
      return true;
    }
    if (errno == EAGAIN) return false;
    if (is_about_the_waiting_connection(errno) || gives_spares_up(errno)) continue;
    settle(op, errno, done);
    return true;
  }
}

bool EpollBackend::try_receive(Op& op, Descriptor& descriptor, OpQueue& done) {
  // Where there is nothing for a pipe there may be an urgent byte at the front, which only a receive steps
  // over.
  if (op.is_bulk && try_receive_bulk(op, done) == Attempt::over) return true;
  std::uint8_t* buffer = buffers().acquire();
  if (!buffer) {
    descriptor.may_have_input = finish_without_buffer(op, done);
    return descriptor.may_have_input;
  }
  const std::size_t room =
      op.is_bulk ? std::min<std::size_t>(op.length, BufferPool::buffer_size) : BufferPool::buffer_size;
  const auto got = ::recv(std::to_underlying(op.socket), buffer, room, MSG_DONTWAIT);
  if (got > 0) {
    op.buffer = buffer;
    op.count = static_cast<std::uint32_t>(got);
    // Less than was asked for means that there was no more, and the next bytes make an event.
    if (op.count < room) {
      // Except before an urgent byte, where the system stops as well.
      op.last = descriptor.stream_ended && is_at_end(op.socket);
      if (!descriptor.ended && !descriptor.has_urgent_byte) descriptor.may_have_input = false;
    }
    finish(op, Status::ok, done);
    return true;
  }
  const int error = got < 0 ? errno : 0;
  buffers().release(buffer);
  if (error == EAGAIN) {
    descriptor.may_have_input = false;
    return false;
  }
  settle(op, error, done);
  return true;
}

bool EpollBackend::try_send(Op& op, OpQueue& done) {
  if (op.pipe != Pipe::none) return try_send_from_pipe(pipes(), op, done);
  const auto sent = ::send(std::to_underlying(op.socket), op.data, op.length, send_flags(op) | MSG_DONTWAIT);
  if (sent < 0 && errno == EAGAIN) return false;
  finish_send(op, sent < 0 ? -errno : sent, done);
  return true;
}

}  // namespace portshare
