// What the process asks of its system at start: descriptors, signals, processors, names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "platform/cpu.h"
#include "platform/descriptor_limit.h"
#include "platform/resolver.h"
#include "platform/signals.h"

namespace portshare {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::StartsWith;

TEST(DescriptorLimit, IsRaisedToTheHardLimit) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 64;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  EXPECT_EQ(after.rlim_max, before.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(Signals, AreKeptUntilSomebodyWaits) {
  block_signals();
  const auto sent = [](int number) {
    EXPECT_EQ(kill(getpid(), number), 0);
    return wait_for_signal();
  };
  EXPECT_EQ(sent(SIGTERM), Signal::terminate);
  EXPECT_EQ(sent(SIGINT), Signal::terminate);
  EXPECT_EQ(sent(SIGHUP), Signal::reload);
  EXPECT_EQ(sent(SIGUSR1), Signal::open_logs_again);
  EXPECT_EQ(sent(SIGUSR2), Signal::upgrade);
}

TEST(Signals, ABrokenPipeIsNoSignal) {
  block_signals();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  EXPECT_EQ(write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  close(ends[1]);
}

TEST(Cpu, CountsOnlyTheUsableOnes) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_EQ(usable_cpu_count(), static_cast<unsigned>(CPU_COUNT(&before)));
  std::size_t first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(usable_cpu_count(), 1u);
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

TEST(Resolver, TakesLiteralsAsTheyAre) {
  EXPECT_THAT(resolve_host("192.0.2.1").value(), ElementsAre(*IpAddress::parse("192.0.2.1")));
  EXPECT_THAT(resolve_host("2001:db8::1").value(), ElementsAre(*IpAddress::parse("2001:db8::1")));
}

TEST(Resolver, FindsThisHostOnce) {
  const auto addresses = resolve_host("localhost");
  ASSERT_TRUE(addresses) << addresses.error();
  EXPECT_THAT(*addresses, Contains(*IpAddress::parse("127.0.0.1")).Times(1));
}

TEST(Resolver, SaysWhichNameItDoesNotKnow) {
  // RFC 6761, 6.4: names under "invalid" do not exist.
  const auto addresses = resolve_host("no-such-host.invalid");
  ASSERT_FALSE(addresses);
  EXPECT_THAT(addresses.error(), StartsWith("cannot resolve no-such-host.invalid: "));
}

}  // namespace
}  // namespace portshare
