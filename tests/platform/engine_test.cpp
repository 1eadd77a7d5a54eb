#include "platform/engine.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <string>

namespace portshare {
namespace {

// From here on io_uring_setup fails with `error` in this process, as under a container's seccomp filter.
void forbid_io_uring(std::uint16_t error) {
  std::array<sock_filter, 4> filter{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    std::abort();
}

// Says on stderr what probing finds under such a filter, in a process of its own.
[[noreturn]] void print_probe_and_exit(std::uint16_t error) {
  forbid_io_uring(error);
  const auto unavailable = probe_engine(Engine::io_uring);
  if (unavailable)
    std::cerr << (unavailable->may_fall_back ? "fall back: " : "error: ") << unavailable->reason;
  else
    std::cerr << "available";
  if (probe_engine(Engine::epoll)) std::cerr << ", and epoll is missing";
  std::exit(0);
}

TEST(Engine, EpollIsAlwaysThere) {
  const auto engine = make_engine(Engine::epoll);
  ASSERT_TRUE(engine) << engine.error().reason;
  EXPECT_EQ((*engine)->name(), to_string(Engine::epoll));
}

TEST(Engine, ProbingAndMakingAgree) {
  const auto unavailable = probe_engine(Engine::io_uring);
  const auto engine = make_engine(Engine::io_uring);
  EXPECT_EQ(engine.has_value(), !unavailable);
  if (engine) {
    EXPECT_EQ((*engine)->name(), to_string(Engine::io_uring));
  }
}

TEST(EngineDeathTest, AFilterIsAReasonToFallBack) {
  EXPECT_EXIT(print_probe_and_exit(EPERM), testing::ExitedWithCode(0),
              "^fall back: (it is forbidden by a seccomp filter|kernel.io_uring_disabled is).*[^g]$");
  EXPECT_EXIT(print_probe_and_exit(ENOSYS), testing::ExitedWithCode(0), "^fall back: .*\\(ENOSYS\\)$");
  EXPECT_EXIT(print_probe_and_exit(EINVAL), testing::ExitedWithCode(0), "^fall back: the kernel is too old");
}

TEST(EngineDeathTest, AShortageIsAnError) {
  EXPECT_EXIT(print_probe_and_exit(ENOMEM), testing::ExitedWithCode(0), "^error: .*memory");
  EXPECT_EXIT(print_probe_and_exit(EMFILE), testing::ExitedWithCode(0), "^error: .*files");
}

}  // namespace
}  // namespace portshare
