// The io_uring engine: operations are entries of a ring that the kernel works off.
#pragma once

#include <liburing.h>
#include <array>
#include <expected>
#include <memory>
#include <vector>

#include "platform/posix_backend.h"

namespace portshare {

/// One ring, which belongs to the thread that created it. One system call per turn submits, waits and
/// collects. Receives carry no buffer: the kernel takes one from a ring of provided buffers when bytes have
/// come; the buffers that lie there are the BufferPool's stock. Takes Linux 6.1 (IORING_SETUP_DEFER_TASKRUN).
class UringBackend final : public PosixBackend {
 public:
  /// The errno of what failed. See io_uring_setup(2) for those that mean that this system has no io_uring.
  static std::expected<std::unique_ptr<UringBackend>, int> create();
  ~UringBackend() override;

  void submit_and_wait(OpQueue& queued, OpQueue& done,
                       std::optional<std::chrono::milliseconds> wait) override;
  void cancel(Op& in_flight) override;
  [[nodiscard]] std::string_view name() const override { return "io_uring"; }

 private:
  static constexpr unsigned submission_entries = 256;
  // Completions that do not fit wait in the kernel; this many never have to.
  static constexpr unsigned completion_entries = 4096;
  // How many receives can end between two refills without being submitted again. Small, because the kernel
  // takes the buffers in turn, and a short turn stays in the cache.
  static constexpr unsigned ring_buffers = 64;

  UringBackend() = default;
  [[nodiscard]] int open();

  void submit(Op& op, OpQueue& done);
  void submit_receive(Op& op, bool poll_first);
  void submit_bulk_receive(Op& op, OpQueue& done);
  void submit_send(Op& op, OpQueue& done);
  void submit_connect(Op& op, OpQueue& done);
  /// The op comes back to complete() when its socket is ready.
  void poll(Op& op, unsigned events);
  void submit_wake_poll();
  [[nodiscard]] io_uring_sqe& next_entry();

  void enter(std::optional<std::chrono::milliseconds> wait);
  void collect(OpQueue& done);
  void complete(Op& op, int result, unsigned flags, OpQueue& done);
  void complete_receive(Op& op, int result, unsigned flags, OpQueue& done);
  void complete_poll(Op& op, int result, OpQueue& done);
  void complete_accept(Op& op, int result, OpQueue& done);

  /// Fills the buffer ring up from the pool, or gives back what the pool's limit does not allow any more.
  void restock();

  io_uring ring_{};
  bool ring_open_ = false;
  bool wake_polled_ = false;
  OpQueue ended_;  // between two turns

  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::array<std::uint8_t*, ring_buffers> provided_{};  // by buffer id; null: not in the ring
  std::array<std::uint16_t, ring_buffers> free_ids_{};  // the ids that are not in the ring
  std::size_t free_id_count_ = 0;
};

}  // namespace portshare
