// Starts that fail half-way: nothing hangs, and the operator is told what to do. Each runs in a process of
// its own, because limits are the process's.
#include "dispatch/dispatcher.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "core/socket_address.h"
#include "platform/engine.h"
#include "platform/loop.h"
#include "tests/platform/process_limits.h"

namespace portshare {
namespace {

Config config_with_workers(std::uint32_t workers) {
  Config config;
  config.server.engine = EngineChoice::epoll;
  config.server.workers = workers;
  config.server.log.access = LogConfig::AccessTarget::off;
  ListenerConfig listener;
  listener.name = "front";
  listener.bind = {{.ip = IpEndpoint{IpAddress::v4({127, 0, 0, 1}), 0}, .unix_path = {}}};
  config.listeners.push_back(std::move(listener));
  auto table = RouteTable::build(config.rules, 1);
  config.routes = std::move(*table);
  return config;
}

[[noreturn]] void start_and_report(std::uint32_t workers) {
  Loop control(*make_engine(Engine::epoll));
  const auto dispatcher =
      Dispatcher::start(std::make_shared<const Config>(config_with_workers(workers)), control);
  std::fputs(dispatcher ? "started" : dispatcher.error().c_str(), stderr);
  std::_Exit(dispatcher ? 1 : 0);
}

[[noreturn]] void start_with_few_descriptors() {
  leave_descriptors(12);  // some workers get theirs
  start_and_report(32);
}

[[noreturn]] void start_with_few_threads() {
  leave_threads(3);
  start_and_report(32);
}

class DispatcherDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(DispatcherDeathTest, AWorkerWithoutDescriptorsEndsTheStart) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP()
      << "UBSan's look at an object's type takes descriptors itself, and calls every type wrong without";
#endif
  EXPECT_EXIT(start_with_few_descriptors(), testing::ExitedWithCode(0), "cannot start epoll");
}

TEST_F(DispatcherDeathTest, AWorkerWithoutAThreadEndsTheStart) {
  EXPECT_EXIT(start_with_few_threads(), testing::ExitedWithCode(0), "cannot start a thread");
}

TEST(DispatcherTest, EndsWithoutHavingBeenAsked) {
  const auto config = std::make_shared<const Config>(config_with_workers(4));
  Loop control(*make_engine(Engine::epoll));
  for (int i = 0; i < 20; ++i) {
    const auto dispatcher = Dispatcher::start(config, control);
    ASSERT_TRUE(dispatcher);
    EXPECT_EQ((*dispatcher)->worker_count(), 4U);
  }
}

}  // namespace
}  // namespace portshare
