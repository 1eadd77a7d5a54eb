// The simulator itself: what it promises on a calm network, and that every fault really comes when it is
// asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "platform/simulated.h"
#include "tests/recorded_op.h"
#include "tests/simulation/simulated_world.h"

namespace portshare {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint32_t always = 1000;

const SocketAddress server_address{.ip = IpEndpoint{IpAddress::v4({192, 0, 2, 1}), 80}, .unix_path = {}};

/// A world with one listener, and the ops of one connection.
class SimulatedNetworkTest : public testing::Test {
 protected:
  SimulatedNetworkTest() : listener_(world_.network.listen(server_address)) {}
  void TearDown() override {
    close(client_);
    close(server_);
    world_.network.close_listener(listener_);
    EXPECT_TRUE(world_.is_clean());
  }

  void set_fault(auto SimulatedFaults::* knob, auto value) {
    SimulatedFaults faults = world_.network.faults();
    faults.*knob = value;
    world_.network.set_faults(faults);
  }

  /// Starts nothing; waits for an op that has been started.
  void finish(const RecordedOp& op) {
    ASSERT_TRUE(world_.run_until([&] { return op.op.is_idle(); }, seconds{1000}));
  }
  Status connect(const SocketAddress& address = server_address) {
    RecordedOp op(world_.loop);
    world_.loop.connect(op.op, address);
    finish(op);
    client_ = op.op.socket;
    return op.op.status;
  }
  Status accept() {
    RecordedOp op(world_.loop);
    world_.loop.accept(op.op, listener_);
    finish(op);
    server_ = op.op.socket;
    return op.op.status;
  }
  void establish() {
    ASSERT_EQ(connect(), Status::ok);
    ASSERT_EQ(accept(), Status::ok);
  }
  std::size_t send(Socket socket, std::string_view bytes, Status expected = Status::ok) {
    RecordedOp op(world_.loop);
    world_.loop.send(op.op, socket, as_bytes(bytes));
    finish(op);
    EXPECT_EQ(op.op.status, expected);
    return op.op.count;
  }
  std::string receive(Socket socket, Status expected = Status::ok) {
    RecordedOp op(world_.loop);
    world_.loop.receive(op.op, socket);
    finish(op);
    EXPECT_EQ(op.op.status, expected);
    return op.received;
  }
  void close(Socket& socket, CloseMode mode = CloseMode::orderly) {
    if (socket == Socket::none) return;
    RecordedOp op(world_.loop);
    world_.loop.close(op.op, socket, mode);
    finish(op);
    socket = Socket::none;
  }
  void let_pass(milliseconds time) {
    world_.run_until([] { return false; }, time);
  }

  SimulatedWorld world_{7};
  Socket listener_;
  Socket client_ = Socket::none;
  Socket server_ = Socket::none;
};

TEST_F(SimulatedNetworkTest, CarriesBytesAndCountsThem) {
  establish();
  EXPECT_EQ(send(client_, "hello"), 5U);
  std::string received;
  while (received.size() < 5) received += receive(server_);
  EXPECT_EQ(received, "hello");
  EXPECT_EQ(world_.network.traffic(client_).sent, 5U);
  EXPECT_EQ(world_.network.traffic(server_).received, 5U);
  EXPECT_EQ(world_.network.open_sockets(), 3U);
}

TEST_F(SimulatedNetworkTest, AWaitTakesVirtualTimeOnly) {
  const auto before = world_.network.now();
  let_pass(std::chrono::hours{24});
  EXPECT_GE(world_.network.now() - before, std::chrono::hours{24});
}

TEST_F(SimulatedNetworkTest, AListenerOnTheUnspecifiedAddressTakesTheRest) {
  const Socket any = world_.network.listen({.ip = IpEndpoint{IpAddress(), 443}, .unix_path = {}});
  EXPECT_EQ(connect({.ip = IpEndpoint{IpAddress::v4({10, 0, 0, 1}), 443}, .unix_path = {}}), Status::ok);
  EXPECT_EQ(world_.network.peer_endpoint(client_)->port, 443);
  world_.network.close_listener(any);
  EXPECT_EQ(receive(client_, Status::reset), "") << "the queue of a listener goes with it";
}

TEST_F(SimulatedNetworkTest, AnAddressCanBeRefusedUnreachableOrSilent) {
  using Reach = SimulatedNetwork::Reach;
  world_.network.set_reach(server_address, Reach::refused);
  EXPECT_EQ(connect(), Status::refused);
  world_.network.set_reach(server_address, Reach::unreachable);
  EXPECT_EQ(connect(), Status::unreachable);
  world_.network.set_reach(server_address, Reach::silent);
  const auto before = world_.network.now();
  EXPECT_EQ(connect(), Status::timed_out);
  EXPECT_GE(world_.network.now() - before, SimulatedNetwork::connect_gives_up);
  world_.network.set_reach(server_address, Reach::normal);
  EXPECT_EQ(connect(), Status::ok);
}

TEST_F(SimulatedNetworkTest, ConnectsFailAsTheKnobsSay) {
  set_fault(&SimulatedFaults::connect_refused, always);
  EXPECT_EQ(connect(), Status::refused);
  set_fault(&SimulatedFaults::connect_unreachable, always);
  EXPECT_EQ(connect(), Status::unreachable);
  set_fault(&SimulatedFaults::connect_silent, always);
  EXPECT_EQ(connect(), Status::timed_out);
  set_fault(&SimulatedFaults::no_ports, always);
  EXPECT_EQ(connect(), Status::no_resources);
  set_fault(&SimulatedFaults::no_descriptors, always);
  EXPECT_EQ(connect(), Status::no_descriptors);
  EXPECT_EQ(world_.network.open_sockets(), 1U) << "a failed connect leaves no socket";
}

TEST_F(SimulatedNetworkTest, SlowConnectsTakeTheirTime) {
  set_fault(&SimulatedFaults::connect_slow, always);
  set_fault(&SimulatedFaults::slow_connect_max, microseconds{seconds{60}});
  const auto before = world_.network.now();
  EXPECT_EQ(connect(), Status::ok);
  EXPECT_GE(world_.network.now() - before, milliseconds{100});
}

TEST_F(SimulatedNetworkTest, NoDescriptorsLeavesTheConnectionInTheQueue) {
  ASSERT_EQ(connect(), Status::ok);
  set_fault(&SimulatedFaults::no_descriptors, always);
  EXPECT_EQ(accept(), Status::no_descriptors);
  set_fault(&SimulatedFaults::no_descriptors, 0U);
  EXPECT_EQ(accept(), Status::ok);
}

TEST_F(SimulatedNetworkTest, TheDescriptorLimitCountsEverySocket) {
  set_fault(&SimulatedFaults::descriptor_limit, std::size_t{2});
  ASSERT_EQ(connect(), Status::ok);
  EXPECT_EQ(accept(), Status::no_descriptors);
  const Socket first = client_;
  EXPECT_EQ(connect(), Status::no_descriptors);
  client_ = first;
}

TEST_F(SimulatedNetworkTest, AFullQueueTakesTheConnectionLater) {
  set_fault(&SimulatedFaults::backlog, std::size_t{1});
  ASSERT_EQ(connect(), Status::ok);
  const Socket first = std::exchange(client_, Socket::none);
  RecordedOp second(world_.loop);
  world_.loop.connect(second.op, server_address);
  let_pass(milliseconds{500});
  EXPECT_FALSE(second.called_back());
  ASSERT_EQ(accept(), Status::ok);
  finish(second);
  EXPECT_EQ(second.op.status, Status::ok);
  client_ = first;
  close(client_);
  client_ = second.op.socket;
}

TEST_F(SimulatedNetworkTest, NoBufferLeavesTheBytes) {
  establish();
  send(client_, "x");
  set_fault(&SimulatedFaults::no_buffers, always);
  receive(server_, Status::no_resources);
  set_fault(&SimulatedFaults::no_buffers, 0U);
  EXPECT_EQ(receive(server_), "x");
}

TEST_F(SimulatedNetworkTest, TransfersArePartial) {
  establish();
  set_fault(&SimulatedFaults::partial_send, always);
  const std::string bytes(10'000, 'x');
  EXPECT_LT(send(client_, bytes), bytes.size());
  set_fault(&SimulatedFaults::partial_send, 0U);
  send(client_, bytes);
  let_pass(seconds{1});
  set_fault(&SimulatedFaults::partial_receive, always);
  EXPECT_LT(receive(server_).size(), bytes.size());
}

TEST_F(SimulatedNetworkTest, BuffersAreBounded) {
  establish();
  set_fault(&SimulatedFaults::send_buffer, std::size_t{1000});
  set_fault(&SimulatedFaults::receive_buffer, std::size_t{500});
  const std::string bytes(10'000, 'x');
  std::size_t sent = 0;
  RecordedOp op(world_.loop);
  do {
    sent += op.op.count;
    world_.loop.send(op.op, client_, as_bytes(bytes));
    let_pass(seconds{1});
  } while (op.op.is_idle());
  EXPECT_EQ(sent, 1500U) << "the next send waits for the reader";
  receive(server_);
  finish(op);
  EXPECT_EQ(op.op.status, Status::ok);
}

TEST_F(SimulatedNetworkTest, BytesTravelInChunks) {
  establish();
  set_fault(&SimulatedFaults::chunk_max, std::size_t{1});
  send(client_, "abc");
  EXPECT_EQ(receive(server_), "a");
}

TEST_F(SimulatedNetworkTest, ConnectionsAreResetOnTheWay) {
  establish();
  set_fault(&SimulatedFaults::reset, always);
  send(client_, "x");
  EXPECT_EQ(receive(server_, Status::reset), "");
  EXPECT_EQ(receive(client_, Status::reset), "");
}

TEST_F(SimulatedNetworkTest, ConnectionsDieInTheQueue) {
  set_fault(&SimulatedFaults::reset_in_queue, always);
  std::size_t handed_out = 0;
  constexpr std::size_t count = 50;
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(connect(), Status::ok);
    receive(client_, Status::reset);
    close(client_);
    let_pass(milliseconds{10});
    RecordedOp accepting(world_.loop);
    world_.loop.accept(accepting.op, listener_);
    let_pass(milliseconds{10});
    world_.loop.cancel(accepting.op);
    finish(accepting);
    if (!accepting.op.succeeded()) continue;  // it was dropped
    ++handed_out;
    server_ = accepting.op.socket;
    receive(server_, Status::reset);
    close(server_);
  }
  EXPECT_GT(handed_out, 0U);
  EXPECT_LT(handed_out, count);
}

TEST_F(SimulatedNetworkTest, AResetMayDiscardWhatWasReceived) {
  for (const std::uint32_t discards : {0U, always}) {
    set_fault(&SimulatedFaults::reset_discards_received, discards);
    establish();
    send(client_, "x");
    let_pass(seconds{1});
    close(client_, CloseMode::reset);
    let_pass(seconds{1});
    if (discards == 0) {
      EXPECT_EQ(receive(server_), "x");
    }
    receive(server_, Status::reset);
    close(server_);
  }
}

TEST_F(SimulatedNetworkTest, AResetMayBeReportedOnce) {
  for (const std::uint32_t once : {0U, always}) {
    set_fault(&SimulatedFaults::reset_reported_once, once);
    establish();
    close(client_, CloseMode::reset);
    let_pass(seconds{1});
    send(server_, "x", Status::reset);
    receive(server_, once == 0 ? Status::reset : Status::ok);
    send(server_, "x", Status::reset);
    close(server_);
  }
}

TEST_F(SimulatedNetworkTest, AResetOvertakesWhatWasSent) {
  establish();
  send(client_, "x");
  close(client_, CloseMode::reset);
  EXPECT_EQ(receive(server_, Status::reset), "");
}

TEST_F(SimulatedNetworkTest, AnOrderlyCloseDeliversWhatWasSent) {
  establish();
  send(client_, "x");
  close(client_);
  EXPECT_EQ(receive(server_), "x");
  EXPECT_EQ(receive(server_), "");
  EXPECT_EQ(receive(server_), "") << "the end of the stream stays";
}

TEST_F(SimulatedNetworkTest, ACloseWithUnreadBytesResets) {
  establish();
  send(client_, "x");
  let_pass(seconds{1});
  close(server_);
  receive(client_, Status::reset);
}

TEST_F(SimulatedNetworkTest, BytesForAClosedSocketReset) {
  establish();
  close(server_);
  EXPECT_EQ(receive(client_), "");
  send(client_, "x");
  let_pass(seconds{1});
  send(client_, "x", Status::reset);
}

TEST_F(SimulatedNetworkTest, ACancelEndsAWaitingOp) {
  establish();
  RecordedOp op(world_.loop);
  world_.loop.receive(op.op, server_);
  let_pass(seconds{1});
  world_.loop.cancel(op.op);
  EXPECT_FALSE(op.called_back());
  finish(op);
  EXPECT_EQ(op.op.status, Status::cancelled);
}

TEST_F(SimulatedNetworkTest, ACancelMayComeTooLate) {
  for (const std::uint32_t late : {0U, always}) {
    set_fault(&SimulatedFaults::late_cancel, late);
    set_fault(&SimulatedFaults::completion_delay_max, microseconds{seconds{1000}});
    establish();
    send(client_, "x");
    let_pass(seconds{1});
    RecordedOp op(world_.loop);
    world_.loop.receive(op.op, server_);
    world_.loop.run_once(milliseconds{0});
    ASSERT_FALSE(op.called_back());
    world_.loop.cancel(op.op);
    finish(op);
    EXPECT_EQ(op.op.status, late == 0 ? Status::cancelled : Status::ok);
    EXPECT_EQ(op.received, late == 0 ? "" : "x") << "what is not received stays in the socket";
    if (late == 0) {
      EXPECT_EQ(receive(server_), "x");
    }
    close(client_);
    close(server_);
  }
}

TEST_F(SimulatedNetworkTest, ACancelledConnectMayStillReachTheServer) {
  for (const std::uint32_t half_open : {0U, always}) {
    set_fault(&SimulatedFaults::connect_half_open, half_open);
    set_fault(&SimulatedFaults::latency_max, microseconds{milliseconds{1}});
    set_fault(&SimulatedFaults::latency_min, microseconds{milliseconds{1}});
    RecordedOp connecting(world_.loop);
    world_.loop.connect(connecting.op, server_address);
    world_.loop.run_once(milliseconds{0});
    world_.loop.cancel(connecting.op);
    finish(connecting);
    EXPECT_EQ(connecting.op.status, Status::cancelled);
    EXPECT_EQ(connecting.op.socket, Socket::none);
    EXPECT_EQ(world_.network.open_sockets(), 1U);
    EXPECT_EQ(world_.network.has_queued(listener_), half_open != 0);
  }
}

TEST_F(SimulatedNetworkTest, BatchesAreBoundedAndShuffled) {
  constexpr std::size_t count = 64;
  set_fault(&SimulatedFaults::shuffled, true);
  set_fault(&SimulatedFaults::batch_max, std::size_t{4});
  std::vector<std::size_t> order;
  std::vector<std::unique_ptr<RecordedOp>> ops;
  for (std::size_t i = 0; i < count; ++i) {
    ops.push_back(std::make_unique<RecordedOp>(world_.loop, [&order, i] { order.push_back(i); }));
    world_.loop.connect(ops.back()->op, server_address);
  }
  while (order.size() < count) {
    const std::size_t before = order.size();
    world_.loop.run_once();
    EXPECT_LE(order.size() - before, 4U);
  }
  EXPECT_FALSE(std::ranges::is_sorted(order));
  for (const auto& op : ops) close(op->op.socket);
}

TEST_F(SimulatedNetworkTest, TurnsEndEarly) {
  set_fault(&SimulatedFaults::early_return, always);
  const auto before = world_.network.now();
  world_.loop.run_once(milliseconds{1000});
  EXPECT_LT(world_.network.now() - before, milliseconds{1000});
}

// --- Rules whose breaking it must notice. The seed is 7.

using SimulatedNetworkDeathTest = SimulatedNetworkTest;

TEST_F(SimulatedNetworkDeathTest, TwoReceives) {
  establish();
  RecordedOp first(world_.loop);
  RecordedOp second(world_.loop);
  EXPECT_DEATH(
      {
        world_.loop.receive(first.op, server_);
        world_.loop.receive(second.op, server_);
        world_.loop.run_once(milliseconds{0});
      },
      "two receives in flight \\(socket .*seed 7,");
}

TEST_F(SimulatedNetworkDeathTest, TwoSends) {
  establish();
  RecordedOp first(world_.loop);
  RecordedOp second(world_.loop);
  EXPECT_DEATH(
      {
        world_.loop.send(first.op, server_, as_bytes("x"));
        world_.loop.shutdown(second.op, server_);
        world_.loop.run_once(milliseconds{0});
      },
      "shutdown while another send or shutdown is in flight .*seed 7,");
}

TEST_F(SimulatedNetworkDeathTest, CloseWhileAnOpIsInFlight) {
  establish();
  RecordedOp receiving(world_.loop);
  RecordedOp closing(world_.loop);
  EXPECT_DEATH(
      {
        world_.loop.receive(receiving.op, server_);
        world_.loop.run_once(milliseconds{0});
        world_.loop.cancel(receiving.op);
        world_.loop.close(closing.op, server_, CloseMode::orderly);
        world_.loop.run_once(milliseconds{0});
      },
      "close while another op is in flight .*seed 7,");
}

TEST_F(SimulatedNetworkDeathTest, DoubleClose) {
  establish();
  Socket socket = client_;
  close(client_);
  EXPECT_DEATH(close(socket), "close on a socket that is closed or was never open .*seed 7,");
}

TEST_F(SimulatedNetworkDeathTest, OpOnAClosedSocket) {
  establish();
  const Socket socket = client_;
  close(client_);
  EXPECT_DEATH(send(socket, "x"), "send on a socket that is closed .*seed 7,");
}

TEST_F(SimulatedNetworkDeathTest, OpWithAClose) {
  establish();
  RecordedOp closing(world_.loop);
  RecordedOp receiving(world_.loop);
  EXPECT_DEATH(
      {
        world_.loop.close(closing.op, server_, CloseMode::orderly);
        world_.loop.receive(receiving.op, server_);
        world_.loop.run_once(milliseconds{0});
      },
      "receive on a socket that is being closed .*seed 7,");
}

TEST_F(SimulatedNetworkDeathTest, AcceptOnAConnection) {
  establish();
  RecordedOp op(world_.loop);
  EXPECT_DEATH(
      {
        world_.loop.accept(op.op, client_);
        world_.loop.run_once(milliseconds{0});
      },
      "accept on a socket that does not listen .*seed 7,");
}

TEST_F(SimulatedNetworkDeathTest, SendAfterShutdown) {
  establish();
  RecordedOp op(world_.loop);
  world_.loop.shutdown(op.op, client_);
  finish(op);
  EXPECT_DEATH(send(client_, "x"), "send after a shutdown .*seed 7,");
}

TEST_F(SimulatedNetworkDeathTest, SendAfterTheEndThatWentWithBytes) {
  establish();
  RecordedOp op(world_.loop);
  world_.loop.send_last(op.op, client_, as_bytes("x"));
  finish(op);
  ASSERT_TRUE(op.op.last);
  EXPECT_DEATH(send(client_, "y"), "send after a shutdown .*seed 7,");
}

TEST_F(SimulatedNetworkDeathTest, BytesChangedWhileTheyAreSent) {
  establish();
  RecordedOp op(world_.loop);
  std::string bytes = "before";
  set_fault(&SimulatedFaults::completion_delay_max, microseconds{seconds{1}});
  world_.loop.send(op.op, client_, as_bytes(bytes));
  world_.loop.run_once(milliseconds{0});
  EXPECT_DEATH(
      {
        bytes[0] = 'B';
        finish(op);
      },
      "bytes of a send changed .*seed 7,");
  finish(op);
}

TEST_F(SimulatedNetworkDeathTest, NothingToWaitFor) {
  establish();
  RecordedOp op(world_.loop);
  EXPECT_DEATH(
      {
        world_.loop.receive(op.op, client_);
        world_.loop.run_once();
      },
      "waits: receive on socket .*\n.*nothing is to come; seed 7,");
}

}  // namespace
}  // namespace portshare
