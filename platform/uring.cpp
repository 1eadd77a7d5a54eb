#include "platform/uring.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "platform/address_translation.h"
#include "platform/error_translation.h"

namespace portshare {

using std::chrono::milliseconds;

namespace {

// What a completion belongs to: an Op's address, or one of these, which no Op can have.
constexpr std::uint64_t tag_none = 0;
constexpr std::uint64_t tag_wake = 1;

constexpr std::uint16_t buffer_group = 0;

std::uint64_t tag_of(const Op& op) {
  return reinterpret_cast<std::uintptr_t>(&op);
}

std::size_t room_of(const Op& receive) {
  return receive.is_bulk ? std::min<std::size_t>(receive.length, BufferPool::buffer_size)
                         : BufferPool::buffer_size;
}

Op& op_of(std::uint64_t tag) {
  return *reinterpret_cast<Op*>(tag);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace

std::expected<std::unique_ptr<UringBackend>, int> UringBackend::create() {
  std::unique_ptr<UringBackend> backend(new UringBackend);
  if (const int error = backend->open()) return std::unexpected(error);
  return backend;
}

int UringBackend::open() {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
  parameters.cq_entries = completion_entries;
  if (const int result = io_uring_queue_init_params(submission_entries, &ring_, &parameters)) return -result;
  ring_open_ = true;
  // Spares each call the look-up of the ring's descriptor. Works without, only a little slower.
  io_uring_register_ring_fd(&ring_);

  void* memory = ::mmap(nullptr, ring_buffers * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (memory == MAP_FAILED) return errno;
  buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
  registration.ring_entries = ring_buffers;
  registration.bgid = buffer_group;
  if (const int result = io_uring_register_buf_ring(&ring_, &registration, 0)) return -result;
  io_uring_buf_ring_init(buffer_ring_);
  for (unsigned id = ring_buffers; id-- > 0;) free_ids_[free_id_count_++] = static_cast<std::uint16_t>(id);

  return open_wake_descriptor();
}

UringBackend::~UringBackend() {
  if (ring_open_) io_uring_queue_exit(&ring_);
  for (std::uint8_t* buffer : provided_)
    if (buffer) buffers().release_from_stock(buffer);
  if (buffer_ring_) ::munmap(buffer_ring_, ring_buffers * sizeof(io_uring_buf));
}

void UringBackend::submit_and_wait(OpQueue& queued, OpQueue& done, std::optional<milliseconds> wait) {
  done.append(ended_);
  if (!wake_polled_) submit_wake_poll();
  restock();
  retry_unix_connects(done);
  while (Op* op = queued.pop()) {
    op->state = Op::State::in_flight;
    submit(*op, done);
  }
  enter(done.empty() ? wait_for_retry(wait) : milliseconds{0});
  collect(done);
}

void UringBackend::submit(Op& op, OpQueue& done) {
  const int descriptor = std::to_underlying(op.socket);
  switch (op.kind) {
    case Op::Kind::accept: {
      io_uring_sqe& entry = next_entry();
      io_uring_prep_accept(&entry, std::to_underlying(op.listener), nullptr, nullptr,
                           SOCK_CLOEXEC | SOCK_NONBLOCK);
      io_uring_sqe_set_data64(&entry, tag_of(op));
      return;
    }
    case Op::Kind::connect:
      submit_connect(op, done);
      return;
    case Op::Kind::receive:
      if (op.is_bulk)
        submit_bulk_receive(op, done);
      else
        submit_receive(op, op.likely_waits && !op.only_now);
      return;
    case Op::Kind::send:
      submit_send(op, done);
      return;
    case Op::Kind::shutdown:
      // A plain call, because the ring would hand it to a kernel thread.
      finish_shutdown(op, done);
      return;
    case Op::Kind::close: {
      if (op.close_mode == CloseMode::reset) abort_on_close(op.socket);
      if (keep_socket(op)) return finish(op, Status::ok, done);
      io_uring_sqe& entry = next_entry();
      io_uring_prep_close(&entry, descriptor);
      io_uring_sqe_set_data64(&entry, tag_of(op));
      return;
    }
    case Op::Kind::none:
      break;
  }
  assert(false);
}

void UringBackend::submit_receive(Op& op, bool poll_first) {
  io_uring_sqe& entry = next_entry();
  io_uring_prep_recv(&entry, std::to_underlying(op.socket), nullptr, room_of(op),
                     op.only_now ? MSG_DONTWAIT : 0);
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.buf_group = buffer_group;
  if (poll_first) entry.ioprio |= IORING_RECVSEND_POLL_FIRST;
  io_uring_sqe_set_data64(&entry, tag_of(op));
}

void UringBackend::submit_connect(Op& op, OpQueue& done) {
  if (!open_socket(op, done)) return;
  if (!try_connect(op, done) && op.address->ip) poll(op, POLLOUT);
}

void UringBackend::submit_bulk_receive(Op& op, OpQueue& done) {
  switch (try_receive_bulk(op, done)) {
    case Attempt::over:
      return;
    case Attempt::waits:
      poll(op, POLLIN);
      return;
    case Attempt::no_pipe:
      submit_receive(op, false);
      return;
  }
}

void UringBackend::submit_send(Op& op, OpQueue& done) {
  if (op.pipe != Pipe::none) {
    // Not by the ring, which would hand a splice to a kernel thread.
    if (!try_send_from_pipe(pipes(), op, done)) poll(op, POLLOUT);
    return;
  }
  io_uring_sqe& entry = next_entry();
  io_uring_prep_send(&entry, std::to_underlying(op.socket), op.data, op.length, send_flags(op));
  io_uring_sqe_set_data64(&entry, tag_of(op));
}

void UringBackend::poll(Op& op, unsigned events) {
  io_uring_sqe& entry = next_entry();
  io_uring_prep_poll_add(&entry, std::to_underlying(op.socket), events);
  io_uring_sqe_set_data64(&entry, tag_of(op));
  op.polls = true;
}

void UringBackend::submit_wake_poll() {
  io_uring_sqe& entry = next_entry();
  io_uring_prep_poll_add(&entry, wake_descriptor(), POLLIN);
  io_uring_sqe_set_data64(&entry, tag_wake);
  wake_polled_ = true;
}

void UringBackend::cancel(Op& in_flight) {
  if (cancel_unix_connect(in_flight, ended_)) return;
  // Entries are worked off in order, so this one cannot meet a later operation with the same Op. Its own
  // completion, which comes only if there was nothing to cancel, means nothing to us.
  io_uring_sqe& entry = next_entry();
  io_uring_prep_cancel64(&entry, tag_of(in_flight), 0);
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(&entry, tag_none);
}

io_uring_sqe& UringBackend::next_entry() {
  while (true) {
    if (io_uring_sqe* entry = io_uring_get_sqe(&ring_)) return *entry;
    // The ring is full: hand over what is in it. Where the kernel is short of memory it takes fewer, and more
    // when it is asked again.
    io_uring_submit(&ring_);
  }
}

void UringBackend::enter(std::optional<milliseconds> wait) {
  int result = 0;
  if (!wait) {
    result = io_uring_submit_and_wait(&ring_, 1);
  } else if (*wait <= milliseconds{0}) {
    result = io_uring_submit_and_get_events(&ring_);
  } else {
    __kernel_timespec timeout{};
    timeout.tv_sec = *wait / std::chrono::seconds{1};
    timeout.tv_nsec = std::chrono::nanoseconds{*wait % std::chrono::seconds{1}}.count();
    io_uring_cqe* first = nullptr;
    result = io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
  }
  // Time over, a signal, or a shortage in the kernel: the next turn goes on.
  assert(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY ||
         result == -ENOMEM);
}

void UringBackend::collect(OpQueue& done) {
  std::array<io_uring_cqe*, 64> completions{};
  while (const unsigned count = io_uring_peek_batch_cqe(&ring_, completions.data(), completions.size())) {
    for (unsigned i = 0; i < count; ++i) {
      const io_uring_cqe& completion = *completions[i];
      if (completion.user_data == tag_wake) {
        consume_wake();
        wake_polled_ = false;
      } else if (completion.user_data != tag_none) {
        complete(op_of(completion.user_data), completion.res, completion.flags, done);
      }
    }
    io_uring_cq_advance(&ring_, count);
  }
}

void UringBackend::complete(Op& op, int result, unsigned flags, OpQueue& done) {
  // A cancellation that meets an operation at work interrupts it, before it has done anything.
  if (result == -EINTR && op.cancel_requested) result = -ECANCELED;
  if (op.polls) {
    complete_poll(op, result, done);
    return;
  }
  switch (op.kind) {
    case Op::Kind::accept:
      complete_accept(op, result, done);
      return;
    case Op::Kind::receive:
      complete_receive(op, result, flags, done);
      return;
    case Op::Kind::send:
      finish_send(op, result, done);
      return;
    case Op::Kind::close:
      finish(op, Status::ok, done);
      return;
    case Op::Kind::connect:  // polls
    case Op::Kind::shutdown:
    case Op::Kind::none:
      break;
  }
  assert(false);
}

void UringBackend::complete_poll(Op& op, int result, OpQueue& done) {
  op.polls = false;
  // A cancellation may come too late for the poll, and early enough for what it waited for.
  const int error = result < 0 ? -result : op.cancel_requested ? ECANCELED : 0;
  if (op.kind == Op::Kind::connect) {
    if (error != 0)
      finish_connect(op, error, done);
    else if (!try_connect(op, done))
      poll(op, POLLOUT);
  } else if (error != 0) {
    settle(op, error, done);
  } else if (op.kind == Op::Kind::receive) {
    // Ready, and nothing for a pipe: there is an urgent byte at the front, which only a receive steps over.
    if (try_receive_bulk(op, done) != Attempt::over) submit_receive(op, false);
  } else {
    submit_send(op, done);
  }
}

void UringBackend::complete_accept(Op& op, int result, OpQueue& done) {
  if (result >= 0) {
    op.socket = Socket{result};
    finish(op, Status::ok, done);
  } else if (!op.cancel_requested && (is_about_the_waiting_connection(-result) || gives_spares_up(-result))) {
    submit(op, done);
  } else {
    settle(op, -result, done);
  }
}

void UringBackend::complete_receive(Op& op, int result, unsigned flags, OpQueue& done) {
  if (flags & IORING_CQE_F_BUFFER) {
    const auto id = static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
    std::uint8_t* buffer = std::exchange(provided_[id], nullptr);
    assert(buffer);
    free_ids_[free_id_count_++] = id;
    if (result > 0) {
      buffers().stock_became_outstanding();
      op.buffer = buffer;
      op.count = static_cast<std::uint32_t>(result);
      op.likely_waits = (flags & IORING_CQE_F_SOCK_NONEMPTY) == 0;
      // Behind less than was asked for there may be bytes that have come since, or the end of the stream.
      if (op.count < room_of(op) && !op.likely_waits) op.last = is_at_end(op.socket);
    } else {
      buffers().release_from_stock(buffer);
    }
  }
  if (result == -EAGAIN && op.only_now) {
    finish(op, Status::nothing_yet, done);
    return;
  }
  if (result != -ENOBUFS) {
    settle(op, result < 0 ? -result : 0, done);
    return;
  }
  // Either others were quicker in this turn, and the ring is refilled before the next one; or the pool is at
  // its limit.
  if (op.cancel_requested) {
    settle(op, ECANCELED, done);
    return;
  }
  restock();
  if (free_id_count_ < ring_buffers)
    submit_receive(op, false);
  else if (finish_without_buffer(op, done))
    return;
  else if (op.only_now)
    finish(op, Status::nothing_yet, done);
  else
    submit_receive(op, true);
}

void UringBackend::restock() {
  const int mask = io_uring_buf_ring_mask(ring_buffers);
  int added = 0;
  while (free_id_count_ > 0) {
    std::uint8_t* buffer = buffers().acquire_for_stock();
    if (!buffer) break;
    const std::uint16_t id = free_ids_[--free_id_count_];
    provided_[id] = buffer;
    io_uring_buf_ring_add(buffer_ring_, buffer, BufferPool::buffer_size, id, mask, added++);
  }
  if (added > 0) io_uring_buf_ring_advance(buffer_ring_, added);

  // With deferred task runs the kernel looks at the ring only while we are in a call, so that between calls
  // the last buffers can be taken back.
  while (buffers().stock_is_over_limit()) {
    const auto last = static_cast<std::uint16_t>(buffer_ring_->tail - 1);
    const std::uint16_t id = buffer_ring_->bufs[last & mask].bid;
    buffers().release_from_stock(std::exchange(provided_[id], nullptr));
    free_ids_[free_id_count_++] = id;
    io_uring_smp_store_release(&buffer_ring_->tail, last);
  }
}

}  // namespace portshare
