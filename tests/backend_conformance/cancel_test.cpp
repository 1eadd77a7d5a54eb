// Cancellation, at every moment of an op's life.
#include "core/random.h"
#include "tests/backend_conformance/conformance_test.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;

using CancelTest = ConformanceTest;
INSTANTIATE_TEST_SUITE_P(Engines, CancelTest, each_engine(), name_of_engine);

TEST_P(CancelTest, AnOpThatTheEngineHasNotSeenYet) {
  const Socket listener = listen(any_ipv4_port);
  const SocketAddress address = stage().address_of(listener);
  const auto [client, server] = connect_to(listener);
  RecordedOp accepting(loop());
  RecordedOp connecting(loop());
  RecordedOp receiving(loop());
  RecordedOp sending(loop());
  loop().accept(accepting.op, listener);
  loop().connect(connecting.op, address);
  loop().receive(receiving.op, server);
  loop().send(sending.op, server, as_bytes("never"));
  for (RecordedOp* op : {&accepting, &connecting, &receiving, &sending}) {
    loop().cancel(op->op);
    loop().cancel(op->op);  // asking twice changes nothing
    EXPECT_FALSE(op->called_back()) << "not from within the call";
  }
  for (RecordedOp* op : {&accepting, &connecting, &receiving, &sending}) {
    finish(*op);
    EXPECT_EQ(op->callbacks, 1U);
    EXPECT_EQ(op->op.status, Status::cancelled);
  }
  EXPECT_EQ(connecting.op.socket, Socket::none);
  EXPECT_EQ(send_all(server, "x"), Status::ok);
  EXPECT_EQ(receive_some(client, 1), "x") << "the cancelled send sent nothing";
}

TEST_P(CancelTest, AnOpThatWaits) {
  const Socket listener = listen(any_ipv4_port);
  const auto [client, server] = connect_to(listener);
  RecordedOp accepting(loop());
  RecordedOp receiving(loop());
  loop().accept(accepting.op, listener);
  loop().receive(receiving.op, server);
  for (int i = 0; i < 3; ++i) loop().run_once(milliseconds{1});
  for (RecordedOp* op : {&accepting, &receiving}) {
    loop().cancel(op->op);
    loop().cancel(op->op);
    EXPECT_FALSE(op->called_back());
    finish(*op);
    EXPECT_EQ(op->callbacks, 1U);
    EXPECT_EQ(op->op.status, Status::cancelled);
    EXPECT_EQ(op->op.take_buffer(), nullptr);
  }
  EXPECT_EQ(send_all(client, "x"), Status::ok);
  EXPECT_EQ(receive_some(server, 1), "x");
}

TEST_P(CancelTest, ASendThatWaits) {
  const auto [client, server] = connect_over_ipv4();
  const std::string bytes = pattern(0, stage().bulk_size());
  RecordedOp sending(loop());
  std::size_t sent = 0;
  bool cancelled = false;
  sending.then = [&, socket = client] {
    sent += sending.op.count;
    if (!cancelled && sent < bytes.size()) loop().send(sending.op, socket, as_bytes(bytes).subspan(sent));
  };
  loop().send(sending.op, client, as_bytes(bytes));
  turn_until_stalled(sending);
  ASSERT_FALSE(sending.op.is_idle());
  cancelled = true;
  loop().cancel(sending.op);
  finish(sending);
  EXPECT_TRUE(sending.op.status == Status::cancelled || sending.op.count > 0);
  EXPECT_EQ(shut_down(client), Status::ok);
  const std::string received = receive_all(server);
  EXPECT_EQ(received.size(), sent) << "a cancelled send tells how much it sent";
  EXPECT_TRUE(bytes.starts_with(received));
}

TEST_P(CancelTest, AnOpThatHasEnded) {
  const auto [client, server] = connect_over_ipv4();
  EXPECT_EQ(send_all(client, "x"), Status::ok);
  RecordedOp receiving(loop());
  loop().receive(receiving.op, server);
  finish(receiving);
  loop().cancel(receiving.op);
  for (int i = 0; i < 3; ++i) loop().run_once(milliseconds{1});
  EXPECT_EQ(receiving.callbacks, 1U);
  EXPECT_EQ(receiving.received, "x");
  EXPECT_EQ(send_all(client, "y"), Status::ok);
  EXPECT_EQ(receive_some(server, 1), "y") << "a cancel that came too late hits no later op";
}

TEST_P(CancelTest, AnOpThatEndedInTheSameTurn) {
  const auto [client, server] = connect_over_ipv4();
  bool met = false;
  for (int round = 0; round < 200 && !met; ++round) {
    EXPECT_EQ(send_all(server, "x"), Status::ok);
    EXPECT_EQ(send_all(client, "y"), Status::ok);
    loop().run_once(milliseconds{2});
    RecordedOp first(loop());
    RecordedOp second(loop());
    bool too_late = false;
    const auto cancel = [&](RecordedOp& other) {
      if (other.op.state == Op::State::finished) met = too_late = true;
      loop().cancel(other.op);
    };
    first.then = [&] { cancel(second); };
    second.then = [&] { cancel(first); };
    loop().receive(first.op, client);
    loop().receive(second.op, server);
    turn_until([&] { return first.op.is_idle() && second.op.is_idle(); });
    EXPECT_EQ(first.callbacks, 1U);
    EXPECT_EQ(second.callbacks, 1U);
    if (too_late) {
      EXPECT_EQ(first.op.status, Status::ok);
      EXPECT_EQ(second.op.status, Status::ok);
    }
    // Received once, by this op or by the next.
    EXPECT_EQ(first.op.succeeded() ? first.received : receive_some(client, 1), "x");
    EXPECT_EQ(second.op.succeeded() ? second.received : receive_some(server, 1), "y");
  }
  // A seed may bring one completion per turn.
  if (!GetParam().name.starts_with("simulated_seed")) {
    EXPECT_TRUE(met);
  }
}

TEST_P(CancelTest, ACancelledReceiveLosesNothing) {
  const auto [client, server] = connect_over_ipv4();
  Random random(1);
  std::string sent;
  std::string received;
  for (std::size_t round = 0; round < 300; ++round) {
    RecordedOp receiving(loop());
    RecordedOp sending(loop());
    const std::string bytes = pattern(round, 1 + random.below(3));
    loop().receive(receiving.op, server);
    if (random.chance(1, 2)) loop().run_once(milliseconds{0});
    loop().send(sending.op, client, as_bytes(bytes));
    for (std::uint64_t turns = random.below(3); turns > 0; --turns) loop().run_once(milliseconds{0});
    loop().cancel(receiving.op);
    turn_until([&] { return receiving.op.is_idle() && sending.op.is_idle(); });
    EXPECT_EQ(receiving.callbacks, 1U);
    EXPECT_TRUE(receiving.op.status == Status::ok || receiving.op.status == Status::cancelled);
    ASSERT_EQ(sending.op.status, Status::ok);
    sent += bytes.substr(0, sending.op.count);
    received += receiving.received;
  }
  EXPECT_EQ(shut_down(client), Status::ok);
  EXPECT_EQ(received + receive_all(server), sent);
}

TEST_P(CancelTest, ACancelledAcceptLosesNoConnection) {
  const Socket listener = listen(any_ipv4_port);
  const SocketAddress address = stage().address_of(listener);
  Random random(1);
  for (int round = 0; round < 100; ++round) {
    RecordedOp accepting(loop());
    RecordedOp connecting(loop());
    loop().accept(accepting.op, listener);
    if (random.chance(1, 2)) loop().run_once(milliseconds{0});
    loop().connect(connecting.op, address);
    for (std::uint64_t turns = random.below(3); turns > 0; --turns) loop().run_once(milliseconds{0});
    loop().cancel(accepting.op);
    turn_until([&] { return accepting.op.is_idle() && connecting.op.is_idle(); });
    ASSERT_EQ(connecting.op.status, Status::ok);
    EXPECT_EQ(accepting.op.succeeded(), accepting.op.socket != Socket::none);
    if (!accepting.op.succeeded()) {
      EXPECT_EQ(accepting.op.status, Status::cancelled);
      loop().accept(accepting.op, listener);
      finish(accepting);
      ASSERT_EQ(accepting.op.status, Status::ok);
    }
    close(connecting.op.socket);
    close(accepting.op.socket);
  }
}

TEST_P(CancelTest, ACancelledConnectLeavesNoSocket) {
  const Socket listener = listen(any_ipv4_port);
  const SocketAddress address = stage().address_of(listener);
  Random random(1);
  for (int round = 0; round < 100; ++round) {
    RecordedOp connecting(loop());
    loop().connect(connecting.op, address);
    for (std::uint64_t turns = random.below(3); turns > 0; --turns) loop().run_once(milliseconds{0});
    loop().cancel(connecting.op);
    finish(connecting);
    EXPECT_EQ(connecting.callbacks, 1U);
    EXPECT_EQ(connecting.op.succeeded(), connecting.op.socket != Socket::none);
    if (connecting.op.succeeded())
      close(connecting.op.socket);
    else
      EXPECT_EQ(connecting.op.status, Status::cancelled);
  }
}

TEST_P(CancelTest, CancelThenClose) {
  const Socket listener = listen(any_ipv4_port);
  for (int round = 0; round < 50; ++round) {
    const auto [client, server] = connect_to(listener);
    RecordedOp closing(loop());
    RecordedOp receiving(loop(),
                         [&, socket = server] { loop().close(closing.op, socket, CloseMode::orderly); });
    loop().receive(receiving.op, server);
    loop().run_once(milliseconds{0});
    loop().cancel(receiving.op);
    turn_until([&] { return closing.called_back(); });
    EXPECT_EQ(receiving.op.status, Status::cancelled);
    forget(server);
    EXPECT_EQ(receive_all(client), "");
    close(client);
  }
}

}  // namespace
}  // namespace portshare
