// When callbacks run; timers; tasks from other threads.
#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/backend_conformance/conformance_test.h"

namespace portshare {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

using LoopTest = ConformanceTest;
INSTANTIATE_TEST_SUITE_P(Engines, LoopTest, each_engine(), name_of_engine);

TEST_P(LoopTest, CallbacksRunOnceAndNeverFromWithinTheStart) {
  const Socket listener = listen(any_ipv4_port);
  const SocketAddress address = stage().address_of(listener);
  const auto [client, server] = connect_to(listener);
  bool starting = false;
  const auto not_while_starting = [&] { EXPECT_FALSE(starting); };
  RecordedOp connecting(loop(), not_while_starting);
  RecordedOp accepting(loop(), not_while_starting);
  RecordedOp sending(loop(), not_while_starting);
  RecordedOp receiving(loop(), not_while_starting);
  EXPECT_EQ(send_all(client, "there already"), Status::ok);
  starting = true;
  loop().connect(connecting.op, address);
  loop().accept(accepting.op, listener);
  loop().send(sending.op, server, as_bytes("x"));
  loop().receive(receiving.op, server);
  starting = false;
  EXPECT_EQ(loop().pending(), 4U);
  turn_until([&] { return loop().pending() == 0; });
  for (RecordedOp* op : {&connecting, &accepting, &sending, &receiving}) {
    EXPECT_EQ(op->callbacks, 1U);
    EXPECT_EQ(op->op.status, Status::ok);
  }
  keep(connecting.op.socket);
  keep(accepting.op.socket);
}

TEST_P(LoopTest, AnOpStartsAgainInItsCallback) {
  const auto [client, server] = connect_over_ipv4();
  constexpr std::size_t rounds = 1000;
  std::size_t done = 0;
  RecordedOp ping(loop());
  RecordedOp pong(loop());
  const auto answer = [&](RecordedOp& op, Socket socket) {
    return [&, socket] {
      if (done == rounds) return;
      ASSERT_EQ(op.op.status, Status::ok);
      if (op.op.kind == Op::Kind::send) return loop().receive(op.op, socket);
      ASSERT_EQ(op.received, "x");
      op.received.clear();
      if (++done < rounds) loop().send(op.op, socket, as_bytes("x"));
    };
  };
  ping.then = answer(ping, client);
  pong.then = answer(pong, server);
  loop().send(ping.op, client, as_bytes("x"));
  loop().receive(pong.op, server);
  turn_until([&] { return done == rounds; });
  for (RecordedOp* op : {&ping, &pong}) loop().cancel(op->op);
  turn_until([&] { return loop().pending() == 0; });
}

TEST_P(LoopTest, ASocketIsClosedInACallback) {
  const Socket listener = listen(any_ipv4_port);
  const auto connections = connect_many(listener, 50);
  std::vector<std::unique_ptr<RecordedOp>> receives;
  std::vector<std::unique_ptr<RecordedOp>> closes;
  std::size_t closed = 0;
  for (const auto& [client, server] : connections) {
    closes.push_back(std::make_unique<RecordedOp>(loop(), [&] { ++closed; }));
    RecordedOp& closing = *closes.back();
    receives.push_back(std::make_unique<RecordedOp>(loop(), [&, socket = server] {
      loop().close(closing.op, socket, CloseMode::orderly);
      forget(socket);
    }));
    loop().receive(receives.back()->op, server);
  }
  for (const auto& [client, server] : connections) EXPECT_EQ(send_all(client, "x"), Status::ok);
  turn_until([&] { return closed == connections.size(); });
  for (const auto& [client, server] : connections) EXPECT_EQ(receive_all(client), "");
}

TEST_P(LoopTest, ATaskFromAnotherThreadEndsTheWait) {
  constexpr int rounds = 200;
  std::atomic<int> wanted = 0;
  std::atomic<int> ran = 0;
  std::thread poster([&] {
    for (int i = 1; i <= rounds; ++i) {
      wanted.wait(i - 1);
      loop().post([&] { ++ran; });
    }
  });
  for (int i = 1; i <= rounds; ++i) {
    wanted = i;
    wanted.notify_one();
    // Whether the wait has begun by the time of the post differs from round to round, and must not matter.
    while (ran < i) loop().run_once(stage().wait_for_threads());
  }
  poster.join();
  EXPECT_EQ(ran, rounds);
}

TEST_P(LoopTest, ATaskPostedBeforeTheWaitEndsIt) {
  bool ran = false;
  loop().post([&] { ran = true; });
  while (!ran) loop().run_once();
  EXPECT_TRUE(ran);
}

TEST_P(LoopTest, ATaskPostsTheNextOne) {
  int ran = 0;
  std::function<void()> task = [&] {
    if (++ran < 100) loop().post(task);
  };
  loop().post(task);
  while (ran < 100) loop().run_once();
  EXPECT_EQ(ran, 100);
}

TEST_P(LoopTest, RunOnceReturnsWhenItsTimeIsOver) {
  const auto before = loop().backend().now();
  for (int i = 0; i < 100; ++i) loop().run_once(milliseconds{0});
  while (loop().backend().now() - before < milliseconds{5}) loop().run_once(milliseconds{1});
  EXPECT_EQ(loop().pending(), 0U);
}

TEST_P(LoopTest, StopEndsRun) {
  Timer timer([](void* self) { static_cast<Loop*>(self)->stop(); }, &loop());
  loop().arm(timer, milliseconds{5});
  loop().run();
  EXPECT_FALSE(timer.is_armed());
}

struct RecordedTimer {
  RecordedTimer(Loop& loop_of_timer, std::vector<RecordedTimer*>& fired_timers)
      : loop(loop_of_timer), fired(fired_timers) {}
  Loop& loop;
  std::vector<RecordedTimer*>& fired;
  microseconds due{};
  std::function<void()> then;
  Timer timer{[](void* self) { static_cast<RecordedTimer*>(self)->fire(); }, this};

  void arm(milliseconds delay) {
    due = loop.now() + delay;
    loop.arm(timer, delay);
  }
  void fire() {
    EXPECT_GE(loop.now(), due) << "never before its time";
    EXPECT_GE(loop.backend().now(), due);
    fired.push_back(this);
    if (then) then();
  }
};

TEST_P(LoopTest, TimersFireInOrderAndNeverEarly) {
  std::vector<RecordedTimer*> fired;
  std::vector<std::unique_ptr<RecordedTimer>> timers;
  for (const int delay_ms : {30, 0, 7, 100, 7, 1, 64}) {
    timers.push_back(std::make_unique<RecordedTimer>(loop(), fired));
    timers.back()->arm(milliseconds{delay_ms});
  }
  while (fired.size() < timers.size()) loop().run_once();
  EXPECT_TRUE(std::ranges::is_sorted(fired, {}, &RecordedTimer::due));
}

TEST_P(LoopTest, ATimerThatIsCancelledDoesNotFire) {
  std::vector<RecordedTimer*> fired;
  RecordedTimer first(loop(), fired);
  RecordedTimer second(loop(), fired);
  RecordedTimer third(loop(), fired);
  RecordedTimer last(loop(), fired);
  // However late the turn is in which both are due.
  second.then = [&] { loop().cancel(third.timer); };
  first.arm(milliseconds{1});
  second.arm(milliseconds{2});
  third.arm(milliseconds{3});
  last.arm(milliseconds{10});
  loop().cancel(first.timer);
  while (last.timer.is_armed()) loop().run_once();
  EXPECT_EQ(fired, (std::vector{&second, &last}));
}

TEST_P(LoopTest, ATimerIsArmedInItsCallbackAndMovedByArmingAgain) {
  std::vector<RecordedTimer*> fired;
  RecordedTimer repeating(loop(), fired);
  RecordedTimer moved(loop(), fired);
  repeating.then = [&] {
    if (fired.size() < 5) repeating.arm(milliseconds{2});
    moved.arm(milliseconds{3});
  };
  moved.arm(milliseconds{1000});
  repeating.arm(milliseconds{1});
  while (fired.size() < 6) loop().run_once();
  loop().cancel(repeating.timer);
  loop().cancel(moved.timer);
  EXPECT_GE(std::ranges::count(fired, &repeating), 5);
}

TEST_P(LoopTest, TimersFireWhileOpsKeepTheLoopBusy) {
  const auto [client, server] = connect_over_ipv4();
  bool fired = false;
  Timer timer([](void* flag) { *static_cast<bool*>(flag) = true; }, &fired);
  loop().arm(timer, milliseconds{10});
  const std::string bytes = pattern(0, 1000);
  RecordedOp sending(loop());
  RecordedOp receiving(loop());
  sending.then = [&, socket = client] {
    if (!fired) loop().send(sending.op, socket, as_bytes(bytes));
  };
  receiving.then = [&, socket = server] {
    if (!fired) loop().receive(receiving.op, socket);
  };
  loop().send(sending.op, client, as_bytes(bytes));
  loop().receive(receiving.op, server);
  turn_until([&] { return fired; });
  loop().cancel(sending.op);
  loop().cancel(receiving.op);
  turn_until([&] { return loop().pending() == 0; });
}

}  // namespace
}  // namespace portshare
