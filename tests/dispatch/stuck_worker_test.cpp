// A worker of a running dispatcher that hangs, and is noticed.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <utility>

#include "dispatch/config_reader.h"
#include "dispatch/dispatcher.h"
#include "dispatch/worker_watch.h"
#include "platform/engine.h"
#include "platform/loop.h"

namespace portshare {
namespace {

TEST(StuckWorker, IsNoticedAndMissedNoLongerWhenItIsBack) {
  auto read = read_config(R"(server = { workers = 2, engine = "epoll", log = { access = "off" } }
listener.l.bind = ["127.0.0.1:0"]
route = [{ reject = true }]
)",
                          "f");
  ASSERT_TRUE(read.config) << read.diagnostics.front().to_string();
  Loop control(*make_engine(Engine::epoll));
  const auto dispatcher = Dispatcher::start(std::make_shared<const Config>(std::move(*read.config)), control);
  ASSERT_TRUE(dispatcher) << dispatcher.error();

  std::atomic<bool> hangs = false;
  std::latch hanging(1);
  std::latch release(1);
  bool all_answered = false;
  (*dispatcher)
      ->ask_workers(
          [&](Worker&) {
            if (hangs.exchange(true)) return;
            hanging.count_down();
            release.wait();
          },
          [&] { all_answered = true; });
  hanging.wait();

  WorkerWatch::Options options;
  options.workers = (*dispatcher)->worker_count();
  options.interval = std::chrono::milliseconds{5};
  options.patience = std::chrono::milliseconds{20};
  options.ask = [&](std::size_t worker, std::function<void()> answer) {
    return (*dispatcher)->ask_worker(worker, std::move(answer));
  };
  const WorkerWatch watch(control, std::move(options));
  // The other one may be late on a busy machine, but not for ever.
  while (watch.stuck_count() != 1) control.run_once();
  EXPECT_FALSE(all_answered);
  release.count_down();
  while (watch.stuck_count() != 0 || !all_answered) control.run_once();
}

}  // namespace
}  // namespace portshare
