// The buffers into which a worker receives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace portshare {

/// Buffers of one size. A connection owns one only while it holds bytes that have not been passed on, so
/// their number follows the work in progress and not the number of connections. Grows in slabs up to `limit`;
/// the buffer released last is handed out first, because it is still in the cache. One per worker; not
/// thread-safe.
class BufferPool {
 public:
  static constexpr std::size_t buffer_size = std::size_t{16} * 1024;

  /// `limit`: how many buffers may be out at a time.
  explicit BufferPool(std::size_t limit = SIZE_MAX) : limit_(limit) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  /// `buffer_size` bytes with undefined content; null if the limit is reached or memory is out.
  [[nodiscard]] std::uint8_t* acquire();
  void release(std::uint8_t* buffer);

  /// Buffers acquired and not yet released.
  [[nodiscard]] std::size_t outstanding() const { return outstanding_; }

 private:
  static constexpr std::size_t buffers_per_slab = 16;

  std::size_t limit_;
  std::size_t outstanding_ = 0;
  std::vector<std::uint8_t*> free_;
  std::vector<std::unique_ptr<std::uint8_t[]>> slabs_;
};

}  // namespace portshare
