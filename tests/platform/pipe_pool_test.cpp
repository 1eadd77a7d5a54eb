#include "platform/pipe_pool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tests/platform/process_limits.h"

namespace portshare {
namespace {

void put(const PipePool& pool, Pipe pipe, std::string_view bytes) {
  ASSERT_EQ(::write(pool.write_end(pipe), bytes.data(), bytes.size()), std::ssize(bytes));
}

/// Everything that is in it.
std::string take(const PipePool& pool, Pipe pipe) {
  std::array<char, 100> bytes{};
  const auto got = ::read(pool.read_end(pipe), bytes.data(), bytes.size());
  return {bytes.data(), got < 0 ? 0 : static_cast<std::size_t>(got)};
}

TEST(PipePoolTest, GivesEmptyPipesThatNeverBlockAndDoNotLeak) {
  PipePool pool;
  const Pipe pipe = pool.acquire();
  ASSERT_NE(pipe, Pipe::none);
  EXPECT_EQ(take(pool, pipe), "");
  for (const int descriptor : {pool.read_end(pipe), pool.write_end(pipe)}) {
    EXPECT_TRUE(::fcntl(descriptor, F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(::fcntl(descriptor, F_GETFD) & FD_CLOEXEC);
  }
  pool.release(pipe, true);
}

TEST(PipePoolTest, KeepsAPipeThatIsEmpty) {
  PipePool pool;
  const Pipe pipe = pool.acquire();
  const int read_end = pool.read_end(pipe);
  put(pool, pipe, "bytes");
  EXPECT_EQ(take(pool, pipe), "bytes");
  pool.release(pipe, true);
  const Pipe again = pool.acquire();
  EXPECT_EQ(pool.read_end(again), read_end);
  EXPECT_EQ(take(pool, again), "");
  pool.release(again, true);
}

TEST(PipePoolTest, ThrowsAwayWhatIsLeftInAPipe) {
  PipePool pool;
  for (int i = 0; i < 100; ++i) {
    const Pipe pipe = pool.acquire();
    ASSERT_NE(pipe, Pipe::none);
    ASSERT_EQ(take(pool, pipe), "");
    put(pool, pipe, "left over");
    pool.release(pipe, false);
  }
}

TEST(PipePoolTest, GivesNoMoreThanThereMayBe) {
  PipePool pool;
  std::vector<Pipe> pipes;
  for (std::size_t i = 0; i < PipePool::most_pipes; ++i) {
    pipes.push_back(pool.acquire());
    ASSERT_NE(pipes.back(), Pipe::none);
    put(pool, pipes.back(), std::to_string(i));
  }
  EXPECT_EQ(pool.acquire(), Pipe::none);
  for (std::size_t i = 0; i < pipes.size(); ++i) EXPECT_EQ(take(pool, pipes[i]), std::to_string(i));
  pool.release(pipes.back(), true);
  pipes.back() = pool.acquire();
  EXPECT_NE(pipes.back(), Pipe::none);
  EXPECT_EQ(pool.acquire(), Pipe::none);
  for (const Pipe pipe : pipes) pool.release(pipe, true);
}

/// Ends the process with the number of the first thing that is wrong.
[[noreturn]] void acquire_with_few_descriptors() {
  leave_descriptors(12);
  PipePool pool;
  std::vector<Pipe> pipes;
  while (pipes.size() < PipePool::most_pipes) {
    const Pipe pipe = pool.acquire();
    if (pipe == Pipe::none) break;
    pipes.push_back(pipe);
  }
  if (pipes.empty() || pipes.size() == PipePool::most_pipes) std::_Exit(1);
  for (int i = 0; i < 100; ++i)
    if (pool.acquire() != Pipe::none) std::_Exit(2);
  // Kept or closed, its descriptors are there for the next one.
  for (const bool is_empty : {true, false}) {
    pool.release(pipes.back(), is_empty);
    pipes.back() = pool.acquire();
    if (pipes.back() == Pipe::none || pool.acquire() != Pipe::none) std::_Exit(3);
  }
  for (const Pipe pipe : pipes) pool.release(pipe, true);
  std::_Exit(0);
}

TEST(PipePoolDeathTest, GoesWithoutWhenDescriptorsAreShort) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(acquire_with_few_descriptors(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace portshare
