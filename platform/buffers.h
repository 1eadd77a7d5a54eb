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
///
/// An engine whose kernel wants buffers before the bytes arrive (io_uring) keeps a stock: buffers that nobody
/// owns yet. Stock and outstanding buffers together stay within the limit; acquire goes before the stock, and
/// the engine gives back what is over.
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

  /// Buffers acquired and not yet released, without the stock.
  [[nodiscard]] std::size_t outstanding() const { return outstanding_; }

  /// Like acquire, for the stock; null also while the stock has no room within the limit.
  [[nodiscard]] std::uint8_t* acquire_for_stock();
  void release_from_stock(std::uint8_t* buffer);
  /// One buffer of the stock has got an owner, who releases it.
  void stock_became_outstanding();
  /// True while acquire has taken the room of buffers that are still in the stock.
  [[nodiscard]] bool stock_is_over_limit() const { return stock_ > 0 && outstanding_ + stock_ > limit_; }

 private:
  static constexpr std::size_t buffers_per_slab = 16;

  [[nodiscard]] std::uint8_t* take();

  std::size_t limit_;
  std::size_t outstanding_ = 0;
  std::size_t stock_ = 0;
  std::vector<std::uint8_t*> free_;
  std::vector<std::unique_ptr<std::uint8_t[]>> slabs_;
};

}  // namespace portshare
