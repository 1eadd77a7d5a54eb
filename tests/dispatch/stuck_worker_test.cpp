// A worker of a running dispatcher that hangs: it is noticed, and nobody waits for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "dispatch/config_reader.h"
#include "dispatch/dispatcher.h"
#include "dispatch/moved_session.h"
#include "dispatch/supervisor.h"
#include "platform/engine.h"
#include "platform/loop.h"
#include "platform/service_manager.h"
#include "platform/signals.h"

namespace portshare {
namespace {

using testing::HasSubstr;

Config small_config() {
  auto read = read_config(
      R"(server = { workers = 2, engine = "epoll", log = { access = "off" }, shutdown_timeout = "1ms" }
listener.l.bind = ["127.0.0.1:0"]
route = [{ reject = true }]
)",
      "f");
  EXPECT_TRUE(read.config) << read.diagnostics.front().to_string();
  return std::move(*read.config);
}

/// On its way from another program; without its sockets, since nobody takes it.
MovedSession session_of(std::string listener) {
  MovedSession session;
  session.listener = std::move(listener);
  return session;
}

/// Has one of the workers hang as long as this lives.
class Hang {
 public:
  explicit Hang(Dispatcher& dispatcher) {
    dispatcher.ask_workers(
        [state = state_](Worker&) {
          if (state->hangs.exchange(true)) return;
          state->hanging.count_down();
          state->release.wait();
        },
        [] {});
    state_->hanging.wait();
  }
  Hang(const Hang&) = delete;
  Hang& operator=(const Hang&) = delete;
  ~Hang() { release(); }
  void release() {
    if (!std::exchange(released_, true)) state_->release.count_down();
  }

 private:
  /// Workers may look at it when the test no longer does.
  struct State {
    std::atomic<bool> hangs = false;
    std::latch hanging{1};
    std::latch release{1};
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
  bool released_ = false;
};

class StuckWorker : public testing::Test {
 protected:
  void SetUp() override {
    // Soon noticed, and never by a worker that is only late for ever.
    DispatcherOptions options;
    options.watchdog_timeout = std::chrono::milliseconds{40};
    options.all_well = [this] { ++well_; };
    options.take_over_patience = std::chrono::milliseconds{20};
    auto started = Dispatcher::start(std::make_shared<const Config>(small_config()), control_, options);
    ASSERT_TRUE(started) << started.error();
    dispatcher_ = std::move(*started);
  }

  /// On a busy machine the other one may be late, too, but not for ever.
  void wait_for_one_stuck() {
    while (dispatcher_->watch().stuck_count() != 1) control_.run_once();
  }

  /// How many workers answer.
  std::size_t ask() {
    const auto answers = std::make_shared<std::atomic<std::size_t>>(0);
    bool is_done = false;
    dispatcher_->ask_workers([answers](Worker&) { ++*answers; }, [&] { is_done = true; });
    while (!is_done) control_.run_once();
    return *answers;
  }

  Loop control_{*make_engine(Engine::epoll)};
  int well_ = 0;
  std::unique_ptr<Dispatcher> dispatcher_;
};

TEST_F(StuckWorker, IsNoticedAndMissedNoLongerWhenItIsBack) {
  while (well_ == 0) control_.run_once();
  Hang hang(*dispatcher_);
  wait_for_one_stuck();
  const int before = well_;
  for (int turn = 0; turn < 10; ++turn) control_.run_once();
  EXPECT_EQ(well_, before);
  hang.release();
  while (well_ == before) control_.run_once();
  EXPECT_EQ(dispatcher_->watch().stuck_count(), 0U);
}

TEST_F(StuckWorker, IsNotWaitedFor) {
  Hang hang(*dispatcher_);
  EXPECT_LE(ask(), 1U) << "asked before it was noticed";
  wait_for_one_stuck();
  EXPECT_LE(ask(), 1U) << "asked when it was known";
  hang.release();
  while (dispatcher_->watch().stuck_count() != 0) control_.run_once();
  while (ask() != 2) {
  }
}

TEST_F(StuckWorker, IsNoTimeForAReload) {
  const Hang hang(*dispatcher_);
  wait_for_one_stuck();
  std::optional<Dispatcher::Outcome> outcome;
  dispatcher_->reload(std::make_shared<const Config>(small_config()), {},
                      [&](Dispatcher::Outcome result) { outcome = std::move(result); });
  while (!outcome) control_.run_once();
  ASSERT_FALSE(*outcome);
  EXPECT_THAT(outcome->error(), HasSubstr("a worker is stuck"));
}

TEST_F(StuckWorker, IsOfferedNoSessionOfAnotherProgramForLong) {
  const Hang hang(*dispatcher_);
  // Each of them comes to the worker that has a say, though the one that hangs has its turn again and again.
  for (int taken = 0; taken < 10;) {
    EXPECT_FALSE(dispatcher_->take_over(session_of("l"), [&] {
      ++taken;
      return false;
    }));
  }
}

TEST_F(StuckWorker, IsOfferedSessionsWhenItIsBack) {
  std::optional<Hang> one(std::in_place, *dispatcher_);
  std::optional<Hang> other(std::in_place, *dispatcher_);
  std::atomic<int> asked = 0;
  const auto offer = [&] { return dispatcher_->take_over(session_of("l"), [&] { return ++asked == 0; }); };
  EXPECT_FALSE(offer());
  EXPECT_EQ(asked, 0) << "both hang";
  one.reset();
  other.reset();
  while (asked == 0) EXPECT_FALSE(offer());
}

TEST(StuckWorkerOfAProgram, DoesNotKeepItFromItsEnd) {
  block_signals();
  ::setenv("WATCHDOG_USEC", "40000", 1);
  std::optional<Supervisor> supervisor(std::in_place, *make_engine(Engine::epoll),
                                       ServiceManager::from_environment());
  const auto started = supervisor->start(small_config());
  ASSERT_TRUE(started) << started.error();
  const Hang hang(supervisor->dispatcher());
  supervisor->loop().post([&] { supervisor->shut_down(); });
  supervisor->run();
  EXPECT_GE(supervisor->dispatcher().watch().stuck_count(), 1U);
}

}  // namespace
}  // namespace portshare
