// How one direction of a relay passes an end of the stream on that is known before the last bytes have gone,
// and what it makes of bytes that were sent before it began.
#include "dispatch/relay.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/simulation/simulated_world.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Progress = RelayDirection::Progress;

const SocketAddress left_address{.ip = IpEndpoint{IpAddress::v4({192, 0, 2, 1}), 80}, .unix_path = {}};
const SocketAddress right_address{.ip = IpEndpoint{IpAddress::v4({192, 0, 2, 2}), 80}, .unix_path = {}};

/// Lets everything pass, and says with the bytes shown what it was told to say.
class ScriptedFilter final : public RelayFilter {
 public:
  ScriptedFilter(Action action, bool ends_stream) : action_(action), ends_stream_(ends_stream) {}
  Result inspect(ByteView bytes) override {
    return {.count = bytes.size(), .action = action_, .ends_stream = ends_stream_};
  }

 private:
  const Action action_;
  const bool ends_stream_;
};

/// A direction between two connections, of which the far ends are the test's.
class RelayDirectionTest : public testing::Test {
 protected:
  /// One op that has ended, and what the direction made of it.
  struct Step {
    Op::Kind kind;
    std::uint32_t count;
    bool last;
    Progress progress;
    bool operator==(const Step&) const = default;
  };

  RelayDirectionTest() {
    std::tie(source_peer_, source_) = connect(left_address);
    std::tie(sink_peer_, sink_) = connect(right_address);
  }
  void TearDown() override {
    direction_.release(world_.loop);
    for (const Socket socket : {source_peer_, source_, sink_peer_, sink_}) {
      Op op = op_of();
      world_.loop.close(op, socket, CloseMode::orderly);
      finish(op);
    }
    EXPECT_TRUE(world_.is_clean());
  }

  static Op op_of() {
    return {[](Op&, void*) {}, nullptr};
  }
  void finish(const Op& op) {
    EXPECT_TRUE(world_.run_until([&] { return op.is_idle(); }, seconds{10}));
  }
  void run_for(milliseconds time) {
    (void)world_.run_until([] { return false; }, time);
  }
  std::pair<Socket, Socket> connect(const SocketAddress& address) {
    const Socket listener = world_.network.listen(address);
    Op accepting = op_of();
    Op connecting = op_of();
    world_.loop.accept(accepting, listener);
    world_.loop.connect(connecting, address);
    finish(connecting);
    finish(accepting);
    world_.network.close_listener(listener);
    return {connecting.socket, accepting.socket};
  }
  static SimulatedFaults announcing(bool announces) {
    SimulatedFaults faults = SimulatedFaults::none();
    faults.end_announced = announces ? 1000 : 0;
    return faults;
  }
  /// The source's peer sends this and its end, and both arrive.
  void source_says_all(std::string_view bytes) {
    Op op = op_of();
    world_.loop.send_last(op, source_peer_, as_bytes(bytes));
    finish(op);
    ASSERT_TRUE(op.last);
    run_for(milliseconds{100});
  }
  /// To the end of what comes by itself.
  void run() { run_for(seconds{1}); }
  /// Takes the step that an op has done; the direction may start that op again.
  void step(const Op& op, Progress (RelayDirection::*take)(Loop&)) {
    Step step{op.kind, op.count, op.last, Progress::running};
    step.progress = (direction_.*take)(world_.loop);
    steps_.push_back(step);
  }

  /// What the sink's peer has got, and whether its stream has ended.
  std::pair<std::string, bool> received_by_sink() {
    std::string bytes;
    while (true) {
      Op op = op_of();
      world_.loop.receive(op, sink_peer_);
      run_for(milliseconds{100});
      if (!op.is_idle()) {
        world_.loop.cancel(op);
        finish(op);
        return {bytes, false};
      }
      if (op.count == 0) return {bytes, true};
      bytes += as_text(op.received());
      world_.loop.buffers().release(op.take_buffer());
    }
  }

  SimulatedWorld world_{1, announcing(true)};
  Socket source_peer_ = Socket::none;
  Socket source_ = Socket::none;
  Socket sink_ = Socket::none;
  Socket sink_peer_ = Socket::none;
  std::vector<Step> steps_;
  Op receive_{
      [](Op& op, void* self) { static_cast<RelayDirectionTest*>(self)->step(op, &RelayDirection::received); },
      this};
  Op send_{
      [](Op& op, void* self) { static_cast<RelayDirectionTest*>(self)->step(op, &RelayDirection::sent); },
      this};
  RelayDirection direction_{receive_, send_};
};

TEST_F(RelayDirectionTest, AnEndThatIsKnownGoesWithTheBytes) {
  direction_.open(source_, sink_);
  source_says_all("bytes");
  EXPECT_EQ(direction_.resume(world_.loop), Progress::running);
  run();
  const std::vector<Step> expected{{Op::Kind::receive, 5, true, Progress::running},
                                   {Op::Kind::send, 5, true, Progress::ended}};
  EXPECT_EQ(steps_, expected);
  EXPECT_TRUE(direction_.has_ended());
  EXPECT_TRUE(direction_.source_has_ended());
  EXPECT_EQ(received_by_sink(), std::pair(std::string("bytes"), true));
}

TEST_F(RelayDirectionTest, AnEndThatIsNotKnownYetFollows) {
  world_.network.set_faults(announcing(false));
  direction_.open(source_, sink_);
  source_says_all("bytes");
  EXPECT_EQ(direction_.resume(world_.loop), Progress::running);
  run();
  const std::vector<Step> expected{{Op::Kind::receive, 5, false, Progress::running},
                                   {Op::Kind::send, 5, false, Progress::running},
                                   {Op::Kind::receive, 0, false, Progress::source_ended}};
  EXPECT_EQ(steps_, expected);
  EXPECT_EQ(received_by_sink(), std::pair(std::string("bytes"), false));
  direction_.end(world_.loop);
  run();
  EXPECT_EQ(steps_.back(), (Step{Op::Kind::shutdown, 0, false, Progress::ended}));
  EXPECT_EQ(received_by_sink(), std::pair(std::string(), true));
}

TEST_F(RelayDirectionTest, AnEndDoesNotOvertakeBytesThatWereNotTaken) {
  direction_.open(source_, sink_);
  source_says_all("many bytes");
  SimulatedFaults faults = announcing(true);
  faults.send_buffer = 4;
  world_.network.set_faults(faults);
  EXPECT_EQ(direction_.resume(world_.loop), Progress::running);
  run();
  ASSERT_GE(steps_.size(), 3U);
  EXPECT_EQ(steps_[1], (Step{Op::Kind::send, 4, false, Progress::running}));
  // However the end went: once, and behind everything.
  if (steps_.back().progress == Progress::source_ended) {
    EXPECT_FALSE(direction_.has_ended());
    direction_.end(world_.loop);
    run();
  }
  EXPECT_EQ(steps_.back().progress, Progress::ended);
  EXPECT_TRUE(direction_.has_ended());
  EXPECT_EQ(received_by_sink(), std::pair(std::string("many bytes"), true));
}

TEST_F(RelayDirectionTest, AnEndReadAheadWaitsForThePauseToEnd) {
  direction_.open(source_, sink_);
  source_says_all("ahead");
  direction_.read_ahead(world_.loop);
  run();
  const std::vector<Step> ahead{{Op::Kind::receive, 5, true, Progress::running}};
  EXPECT_EQ(steps_, ahead);
  EXPECT_TRUE(direction_.source_has_ended());
  EXPECT_EQ(as_text(direction_.pending()), "ahead");
  direction_.read_ahead(world_.loop);  // there is nothing more to read
  EXPECT_TRUE(receive_.is_idle());
  EXPECT_EQ(direction_.resume(world_.loop), Progress::running);
  run();
  EXPECT_EQ(steps_.back(), (Step{Op::Kind::send, 5, true, Progress::ended}));
  EXPECT_EQ(received_by_sink(), std::pair(std::string("ahead"), true));
}

TEST_F(RelayDirectionTest, BehindAFilterAnEndIsForTheOwnerToJudge) {
  ScriptedFilter filter(RelayFilter::Action::go_on, false);
  direction_.open(source_, sink_, &filter);
  source_says_all("bytes");
  EXPECT_EQ(direction_.resume(world_.loop), Progress::running);
  run();
  const std::vector<Step> expected{{Op::Kind::receive, 5, true, Progress::running},
                                   {Op::Kind::send, 5, false, Progress::source_ended}};
  EXPECT_EQ(steps_, expected);
  EXPECT_EQ(received_by_sink(), std::pair(std::string("bytes"), false));
}

TEST_F(RelayDirectionTest, AFilterMayEndAStreamThatGoesOn) {
  ScriptedFilter filter(RelayFilter::Action::pause, true);
  direction_.open(source_, sink_, &filter);
  Op op = op_of();
  world_.loop.send(op, source_peer_, as_bytes("message"));
  run();
  EXPECT_EQ(direction_.resume(world_.loop), Progress::running);
  run();
  const std::vector<Step> expected{{Op::Kind::receive, 7, false, Progress::running},
                                   {Op::Kind::send, 7, true, Progress::paused}};
  EXPECT_EQ(steps_, expected);
  EXPECT_TRUE(direction_.has_ended());
  EXPECT_FALSE(direction_.source_has_ended());
  EXPECT_EQ(received_by_sink(), std::pair(std::string("message"), true));
}

TEST_F(RelayDirectionTest, WhatHasGoneAheadIsNotSentAgain) {
  direction_.open(source_, sink_);
  direction_.give(as_bytes("first bytes"), nullptr);
  direction_.note_sent_ahead(6);
  EXPECT_EQ(direction_.resume(world_.loop), Progress::running);
  run();
  const std::vector<Step> expected{{Op::Kind::send, 5, false, Progress::running}};
  EXPECT_EQ(steps_, expected);
  EXPECT_EQ(received_by_sink(), std::pair(std::string("bytes"), false));
  source_says_all("more");
  run();
  EXPECT_EQ(received_by_sink(), std::pair(std::string("more"), false));
}

TEST_F(RelayDirectionTest, WhereAllHasGoneAheadTheSourceIsNext) {
  ScriptedFilter filter(RelayFilter::Action::pause, false);
  for (RelayFilter* between : {static_cast<RelayFilter*>(nullptr), static_cast<RelayFilter*>(&filter)}) {
    direction_.open(source_, sink_, between);
    direction_.give(as_bytes("first bytes"), nullptr);
    direction_.note_sent_ahead(11);
    EXPECT_EQ(direction_.resume(world_.loop), between ? Progress::paused : Progress::running);
    EXPECT_FALSE(direction_.has_unsent());
    EXPECT_TRUE(direction_.pending().empty());
    EXPECT_TRUE(send_.is_idle());
    EXPECT_EQ(receive_.is_idle(), between != nullptr);
    world_.loop.cancel(receive_);
    finish(receive_);
  }
}

}  // namespace
}  // namespace portshare
