#include "platform/process_usage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "platform/child_process.h"

namespace portshare {
namespace {

TEST(ProcessUsage, OfThisProcessGrowsWithItsWork) {
  const auto before = usage_of_process_tree(::getpid());
  ASSERT_TRUE(before) << before.error();
  const auto own_before = cpu_time_of_this_process();
  volatile std::uint64_t work = 0;
  while (cpu_time_of_this_process() - own_before < std::chrono::milliseconds{5}) work = work + 1;
  const auto after = usage_of_process_tree(::getpid());
  ASSERT_TRUE(after) << after.error();
  EXPECT_GE(after->cpu - before->cpu, std::chrono::milliseconds{5});
  EXPECT_GE(after->processes, 1U);
  EXPECT_GE(cpu_time_of_this_machine(), std::chrono::nanoseconds{});
}

TEST(ProcessUsage, CountsTheProcessesUnderIt) {
  // A shell with a child of its own.
  auto child = ChildProcess::start("sh -c 'sleep 1000 & wait'");
  ASSERT_TRUE(child) << child.error();
  std::size_t processes = 0;
  while (processes < 2) {  // the shell needs a moment to start its child
    const auto usage = usage_of_process_tree(child->pid());
    ASSERT_TRUE(usage) << usage.error();
    processes = usage->processes;
  }
  EXPECT_EQ(processes, 2U);
  const auto memory = memory_of_process_tree(child->pid());
  ASSERT_TRUE(memory) << memory.error();
  EXPECT_GT(*memory, 0U);
  const auto shells = find_processes("sh");
  EXPECT_NE(std::ranges::find(shells, child->pid()), shells.end());
  const int pid = child->pid();
  child->stop();
  EXPECT_FALSE(usage_of_process_tree(pid));
}

TEST(ProcessUsage, OfNobodyIsAnError) {
  EXPECT_EQ(usage_of_process_tree(0x7fffffff).error(), "there is no process 2147483647");
  EXPECT_FALSE(memory_of_process_tree(0x7fffffff));
  EXPECT_TRUE(find_processes("no program is called so").empty());
}

TEST(ProcessUsage, DescribesWhereItRuns) {
  EXPECT_TRUE(describe_system().starts_with("Linux "));
  EXPECT_NE(describe_machine().find(" CPUs"), std::string::npos);
}

TEST(ChildProcess, IsSeenToEnd) {
  auto child = ChildProcess::start("true");
  ASSERT_TRUE(child) << child.error();
  while (child->is_running()) continue;
  child->stop();  // has nothing to do
}

TEST(ChildProcess, EndsWithItsOwner) {
  int pid = 0;
  {
    auto child = ChildProcess::start("sleep 1000");
    ASSERT_TRUE(child) << child.error();
    pid = child->pid();
    EXPECT_TRUE(child->is_running());
  }
  EXPECT_FALSE(usage_of_process_tree(pid));
}

}  // namespace
}  // namespace portshare
