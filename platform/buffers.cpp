#include "platform/buffers.h"

#include <cassert>
#include <new>
#include <utility>

namespace portshare {

BufferPool::~BufferPool() {
  assert(outstanding_ == 0 && stock_ == 0);
}

std::uint8_t* BufferPool::acquire() {
  if (outstanding_ >= limit_) return nullptr;
  std::uint8_t* buffer = take();
  if (buffer) ++outstanding_;
  return buffer;
}

void BufferPool::release(std::uint8_t* buffer) {
  assert(buffer && outstanding_ > 0);
  free_.push_back(buffer);
  --outstanding_;
}

std::uint8_t* BufferPool::acquire_for_stock() {
  if (outstanding_ + stock_ >= limit_) return nullptr;
  std::uint8_t* buffer = take();
  if (buffer) ++stock_;
  return buffer;
}

void BufferPool::release_from_stock(std::uint8_t* buffer) {
  assert(buffer && stock_ > 0);
  free_.push_back(buffer);
  --stock_;
}

void BufferPool::stock_became_outstanding() {
  assert(stock_ > 0);
  --stock_;
  ++outstanding_;
}

std::uint8_t* BufferPool::take() {
  if (free_.empty()) {
    std::unique_ptr<std::uint8_t[]> slab(new (std::nothrow) std::uint8_t[buffers_per_slab * buffer_size]);
    if (!slab) return nullptr;
    for (std::size_t i = buffers_per_slab; i-- > 0;) free_.push_back(slab.get() + i * buffer_size);
    slabs_.push_back(std::move(slab));
  }
  std::uint8_t* buffer = free_.back();
  free_.pop_back();
  return buffer;
}

}  // namespace portshare
