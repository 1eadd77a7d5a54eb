// Receives that do not wait.
#include "tests/backend_conformance/conformance_test.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;

class ReceiveNowTest : public ConformanceTest {
 protected:
  Status receive_now(RecordedOp& op, Socket socket) {
    loop().receive_now(op.op, socket);
    finish(op);
    if (op.op.status != Status::ok) {
      EXPECT_EQ(op.op.count, 0U);
      EXPECT_EQ(op.op.take_buffer(), nullptr);
    }
    return op.op.status;
  }
  /// Asks again and again until something has come; `nothing_yet` if that never happens.
  Status receive_when_it_has_come(RecordedOp& op, Socket socket) {
    constexpr int longest = 2'000;
    Status status = Status::nothing_yet;
    for (int i = 0; i < longest && status == Status::nothing_yet; ++i) {
      status = receive_now(op, socket);
      if (status == Status::nothing_yet) loop().run_once(milliseconds{1});
    }
    return status;
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, ReceiveNowTest, each_engine(), name_of_engine);

TEST_P(ReceiveNowTest, NothingHasCome) {
  for (const SocketAddress& address : {any_ipv4_port, stage().unix_address()}) {
    const auto [client, server] = connect_to(listen(address));
    for (const Socket socket : {client, server}) {
      RecordedOp op(loop());
      for (int i = 0; i < 3; ++i) EXPECT_EQ(receive_now(op, socket), Status::nothing_yet);
      EXPECT_EQ(op.callbacks, 3U);
    }
  }
}

TEST_P(ReceiveNowTest, BytesThatHaveCome) {
  for (const SocketAddress& address : {any_ipv4_port, stage().unix_address()}) {
    const auto [client, server] = connect_to(listen(address));
    for (const auto& [from, to] : {std::pair(client, server), std::pair(server, client)}) {
      for (int i = 0; i < 3; ++i) {
        RecordedOp op(loop());
        EXPECT_EQ(receive_now(op, to), Status::nothing_yet);
        EXPECT_EQ(send_all(from, "x"), Status::ok);
        EXPECT_EQ(receive_when_it_has_come(op, to), Status::ok);
        EXPECT_EQ(op.received, "x");
      }
    }
  }
}

TEST_P(ReceiveNowTest, AReceiveBehindItWaits) {
  const auto [client, server] = connect_over_ipv4();
  for (const Socket to : {client, server}) {
    const Socket from = to == client ? server : client;
    RecordedOp op(loop());
    EXPECT_EQ(receive_now(op, to), Status::nothing_yet);
    loop().receive(op.op, to);
    for (int i = 0; i < 5; ++i) loop().run_once(milliseconds{1});
    EXPECT_FALSE(op.op.is_idle());
    EXPECT_EQ(send_all(from, "later"), Status::ok);
    finish(op);
    EXPECT_EQ(op.op.status, Status::ok);
    if (op.received.size() < 5) op.received += receive_some(to, 5 - op.received.size());
    EXPECT_EQ(op.received, "later");
  }
}

TEST_P(ReceiveNowTest, TheEndHasCome) {
  const auto [client, server] = connect_over_ipv4();
  RecordedOp op(loop());
  EXPECT_EQ(receive_now(op, server), Status::nothing_yet);
  EXPECT_EQ(shut_down(client), Status::ok);
  EXPECT_EQ(receive_when_it_has_come(op, server), Status::ok);
  EXPECT_EQ(op.op.count, 0U);
  EXPECT_EQ(op.op.take_buffer(), nullptr);
}

TEST_P(ReceiveNowTest, AResetHasCome) {
  const auto [client, server] = connect_over_ipv4();
  RecordedOp op(loop());
  EXPECT_EQ(receive_now(op, server), Status::nothing_yet);
  close(client, CloseMode::reset);
  EXPECT_EQ(receive_when_it_has_come(op, server), Status::reset);
}

TEST_P(ReceiveNowTest, WithoutABufferItFailsOnlyIfSomethingHasCome) {
  start(1);
  if (IsSkipped()) return;
  const auto [client, server] = connect_over_ipv4();
  std::uint8_t* taken = loop().buffers().acquire();
  ASSERT_NE(taken, nullptr);
  RecordedOp op(loop());
  EXPECT_EQ(receive_now(op, server), Status::nothing_yet);
  EXPECT_EQ(send_all(client, "x"), Status::ok);
  EXPECT_EQ(receive_when_it_has_come(op, server), Status::no_resources);
  loop().buffers().release(taken);
  EXPECT_EQ(receive_when_it_has_come(op, server), Status::ok);
  EXPECT_EQ(op.received, "x");
}

}  // namespace
}  // namespace portshare
