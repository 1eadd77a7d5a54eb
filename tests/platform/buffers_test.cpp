#include "platform/buffers.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

namespace portshare {
namespace {

TEST(BufferPool, CountsWhatIsOut) {
  BufferPool pool;
  std::uint8_t* first = pool.acquire();
  std::uint8_t* second = pool.acquire();
  EXPECT_EQ(pool.outstanding(), 2u);
  pool.release(first);
  EXPECT_EQ(pool.outstanding(), 1u);
  pool.release(second);
  EXPECT_EQ(pool.outstanding(), 0u);
}

TEST(BufferPool, HandsOutTheBufferReleasedLast) {
  BufferPool pool;
  std::uint8_t* first = pool.acquire();
  std::uint8_t* second = pool.acquire();
  pool.release(second);
  pool.release(first);
  EXPECT_EQ(pool.acquire(), first);
  EXPECT_EQ(pool.acquire(), second);
  pool.release(first);
  pool.release(second);
}

TEST(BufferPool, BuffersDoNotOverlap) {
  BufferPool pool;
  std::vector<std::uint8_t*> buffers;
  for (std::uint8_t i = 0; i < 100; ++i) {
    buffers.push_back(pool.acquire());
    std::memset(buffers.back(), i, BufferPool::buffer_size);
  }
  for (std::uint8_t i = 0; i < 100; ++i) {
    EXPECT_EQ(buffers[i][0], i);
    EXPECT_EQ(buffers[i][BufferPool::buffer_size - 1], i);
    pool.release(buffers[i]);
  }
}

TEST(BufferPool, KeepsItsLimit) {
  BufferPool pool(2);
  std::uint8_t* first = pool.acquire();
  std::uint8_t* second = pool.acquire();
  EXPECT_EQ(pool.acquire(), nullptr);
  pool.release(first);
  std::uint8_t* third = pool.acquire();
  EXPECT_NE(third, nullptr);
  pool.release(second);
  pool.release(third);
}

TEST(BufferPool, TheStockIsNotOutstanding) {
  BufferPool pool;
  std::uint8_t* buffer = pool.acquire_for_stock();
  EXPECT_EQ(pool.outstanding(), 0u);
  pool.stock_became_outstanding();
  EXPECT_EQ(pool.outstanding(), 1u);
  pool.release(buffer);
}

TEST(BufferPool, TheStockStaysWithinTheLimit) {
  BufferPool pool(2);
  std::uint8_t* outstanding = pool.acquire();
  std::uint8_t* stock = pool.acquire_for_stock();
  EXPECT_EQ(pool.acquire_for_stock(), nullptr);
  EXPECT_FALSE(pool.stock_is_over_limit());
  pool.release(outstanding);
  pool.release_from_stock(stock);
}

TEST(BufferPool, AcquireGoesBeforeTheStock) {
  BufferPool pool(2);
  std::uint8_t* stock[] = {pool.acquire_for_stock(), pool.acquire_for_stock()};
  std::uint8_t* buffer = pool.acquire();
  ASSERT_NE(buffer, nullptr);
  EXPECT_TRUE(pool.stock_is_over_limit());
  pool.release_from_stock(stock[0]);
  EXPECT_FALSE(pool.stock_is_over_limit());
  pool.release_from_stock(stock[1]);
  pool.release(buffer);
}

TEST(BufferPoolDeathTest, MissesBuffersAtItsEnd) {
  EXPECT_DEATH(
      {
        BufferPool pool;
        [[maybe_unused]] std::uint8_t* lost = pool.acquire();
      },
      "outstanding_ == 0");
}

}  // namespace
}  // namespace portshare
