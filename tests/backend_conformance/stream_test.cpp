// Bytes, ends of streams, resets, back-pressure, buffers running out.
#include <algorithm>

#include "tests/backend_conformance/conformance_test.h"
#include "tests/backend_conformance/pattern_stream.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;

using StreamTest = ConformanceTest;
INSTANTIATE_TEST_SUITE_P(Engines, StreamTest, each_engine(), name_of_engine);

TEST_P(StreamTest, AReaderThatIsLateHoldsTheSenderBack) {
  const auto [client, server] = connect_over_ipv4();
  PatternSender sender(loop(), client, stage().bulk_size());
  PatternReader reader(loop(), server);
  sender.start();
  turn_until_stalled(sender.op);
  EXPECT_LT(sender.sent(), stage().bulk_size());
  EXPECT_FALSE(sender.op.op.is_idle());
  reader.start();
  turn_until([&] { return sender.done() && reader.done(); });
  EXPECT_EQ(reader.received(), stage().bulk_size());
}

TEST_P(StreamTest, BothDirectionsAreIndependent) {
  for (const SocketAddress& address : {any_ipv4_port, stage().unix_address()}) {
    const auto [client, server] = connect_to(listen(address));
    const std::size_t size = stage().bulk_size() / 4;
    PatternSender up(loop(), client, size);
    PatternSender down(loop(), server, size);
    PatternReader up_reader(loop(), server);
    PatternReader down_reader(loop(), client);
    up.start();
    down.start();
    up_reader.start();
    down_reader.start();
    turn_until([&] { return up.done() && down.done() && up_reader.done() && down_reader.done(); });
    EXPECT_EQ(up_reader.received(), size);
    EXPECT_EQ(down_reader.received(), size);
  }
}

TEST_P(StreamTest, TheEndOfTheStreamStays) {
  const auto [client, server] = connect_over_ipv4();
  EXPECT_EQ(send_all(client, "last"), Status::ok);
  EXPECT_EQ(shut_down(client), Status::ok);
  EXPECT_EQ(receive_all(server), "last");
  RecordedOp op(loop());
  for (int i = 0; i < 3; ++i) {
    loop().receive(op.op, server);
    finish(op);
    EXPECT_EQ(op.op.status, Status::ok);
    EXPECT_EQ(op.op.count, 0U);
    EXPECT_EQ(op.op.take_buffer(), nullptr);
  }
}

TEST_P(StreamTest, EitherSideMayEndFirst) {
  const Socket listener = listen(any_ipv4_port);
  for (const bool client_first : {true, false}) {
    auto [first, second] = connect_to(listener);
    if (!client_first) std::swap(first, second);
    EXPECT_EQ(send_all(first, "question"), Status::ok);
    EXPECT_EQ(shut_down(first), Status::ok);
    EXPECT_EQ(receive_all(second), "question");
    EXPECT_EQ(send_all(second, "answer"), Status::ok) << "the other direction lives on";
    EXPECT_EQ(receive_some(first, 6), "answer");
    EXPECT_EQ(shut_down(second), Status::ok);
    EXPECT_EQ(receive_all(first), "");
  }
}

TEST_P(StreamTest, AWaitingReceiveSeesTheEnd) {
  const auto [client, server] = connect_over_ipv4();
  RecordedOp op(loop());
  loop().receive(op.op, server);
  loop().run_once(milliseconds{0});
  EXPECT_EQ(shut_down(client), Status::ok);
  finish(op);
  EXPECT_EQ(op.op.status, Status::ok);
  EXPECT_EQ(op.op.count, 0U);
}

TEST_P(StreamTest, AnOrderlyCloseDeliversEverything) {
  const auto [client, server] = connect_over_ipv4();
  const std::string bytes = pattern(0, 100'000);
  RecordedOp receiving(loop());
  std::string received;
  loop().receive(receiving.op, server);
  EXPECT_EQ(send_all(client, bytes.substr(0, 10)), Status::ok);
  finish(receiving);
  EXPECT_EQ(send_all(client, bytes.substr(10, 500)), Status::ok);
  close(client);
  received = receiving.received + receive_all(server);
  EXPECT_EQ(received, bytes.substr(0, 510));
}

TEST_P(StreamTest, AResetIsNoEndOfTheStream) {
  for (const bool waiting : {true, false}) {
    const auto [client, server] = connect_over_ipv4();
    RecordedOp op(loop());
    if (waiting) {
      loop().receive(op.op, server);
      loop().run_once(milliseconds{0});
    }
    close(client, CloseMode::reset);
    if (!waiting) loop().receive(op.op, server);
    finish(op);
    EXPECT_EQ(op.op.status, Status::reset);
    EXPECT_EQ(op.op.count, 0U);
    EXPECT_EQ(op.op.take_buffer(), nullptr);
  }
}

TEST_P(StreamTest, AResetEndsASendThatWaits) {
  const auto [client, server] = connect_over_ipv4();
  const std::string bytes = pattern(0, stage().bulk_size());
  RecordedOp op(loop());
  std::size_t sent = 0;
  op.then = [&, socket = client] {
    if (!op.op.succeeded()) return;
    sent += op.op.count;
    if (sent < bytes.size()) loop().send(op.op, socket, as_bytes(bytes).subspan(sent));
  };
  loop().send(op.op, client, as_bytes(bytes));
  turn_until_stalled(op);
  ASSERT_FALSE(op.op.is_idle());
  close(server, CloseMode::reset);
  finish(op);
  EXPECT_EQ(op.op.status, Status::reset);
}

TEST_P(StreamTest, ACloseWithUnreadBytesIsAReset) {
  const Socket listener = listen(any_ipv4_port);
  // Bytes that arrive only after the close make a reset too, but one that follows the end of the stream.
  for (int round = 0; round < 100; ++round) {
    const auto [client, server] = connect_to(listener);
    EXPECT_EQ(send_all(client, "unread"), Status::ok);
    loop().run_once(milliseconds{1});
    close(server);
    if (receive_status(client) == Status::reset) return;
  }
  FAIL() << "never a reset";
}

TEST_P(StreamTest, SendingToAPeerThatIsGoneEndsWithReset) {
  for (const SocketAddress& address : {any_ipv4_port, stage().unix_address()}) {
    const auto [client, server] = connect_to(listen(address));
    close(server);
    Status status = Status::ok;
    while (status == Status::ok) status = send_all(client, "x");
    EXPECT_EQ(status, Status::reset);
    EXPECT_EQ(send_all(client, "x"), Status::reset) << "for good";
  }
}

TEST_P(StreamTest, AShutdownAfterAResetIsNoSurprise) {
  const auto [client, server] = connect_over_ipv4();
  RecordedOp op(loop());
  loop().receive(op.op, server);
  close(client, CloseMode::reset);
  finish(op);
  EXPECT_EQ(op.op.status, Status::reset);
  EXPECT_EQ(shut_down(server), Status::reset);
}

TEST_P(StreamTest, ReceivesFailWhileThePoolIsEmpty) {
  constexpr std::size_t limit = 3;
  start(limit);
  if (IsSkipped()) return;
  const auto [client, server] = connect_over_ipv4();
  EXPECT_EQ(send_all(client, "x"), Status::ok);
  ASSERT_EQ(receive_some(server, 1), "x");

  std::vector<std::uint8_t*> taken;
  while (std::uint8_t* buffer = loop().buffers().acquire()) taken.push_back(buffer);
  EXPECT_EQ(taken.size(), limit) << "whatever the engine keeps in stock";
  RecordedOp waiting(loop());
  loop().receive(waiting.op, server);
  for (int i = 0; i < 5; ++i) loop().run_once(milliseconds{1});
  EXPECT_FALSE(waiting.called_back()) << "a receive that only waits needs no buffer";
  EXPECT_EQ(send_all(client, "y"), Status::ok);
  finish(waiting);
  EXPECT_EQ(waiting.op.status, Status::no_resources);
  EXPECT_EQ(receive_status(server), Status::no_resources);

  for (std::uint8_t* buffer : taken) loop().buffers().release(buffer);
  EXPECT_EQ(receive_some(server, 1), "y") << "the bytes are still there";
}

TEST_P(StreamTest, TheEndOfTheStreamNeedsNoBuffer) {
  start(1);
  if (IsSkipped()) return;
  const auto [client, server] = connect_over_ipv4();
  std::uint8_t* taken = loop().buffers().acquire();
  ASSERT_NE(taken, nullptr);
  RecordedOp op(loop());
  loop().receive(op.op, server);
  loop().run_once(milliseconds{0});
  EXPECT_EQ(shut_down(client), Status::ok);
  finish(op);
  EXPECT_EQ(op.op.status, Status::ok);
  EXPECT_EQ(op.op.count, 0U);
  loop().buffers().release(taken);
}

TEST_P(StreamTest, FewBuffersServeManyConnections) {
  constexpr std::size_t limit = 4;
  constexpr std::size_t count = 100;
  start(limit);
  if (IsSkipped()) return;
  const auto connections = connect_many(listen(any_ipv4_port), count);
  std::size_t ended = 0;
  std::vector<std::unique_ptr<RecordedOp>> receives;
  for (const auto& [client, server] : connections) {
    receives.push_back(std::make_unique<RecordedOp>(loop()));
    RecordedOp& op = *receives.back();
    // Several may be out of luck in one turn; each tries until it has its byte.
    op.then = [&, socket = server] {
      if (op.op.status == Status::no_resources) return loop().receive(op.op, socket);
      EXPECT_EQ(op.op.status, Status::ok);
      ++ended;
    };
    loop().receive(op.op, server);
  }
  for (const auto& [client, server] : connections) EXPECT_EQ(send_all(client, "x"), Status::ok);
  turn_until([&] { return ended == count; });
  for (const auto& op : receives) EXPECT_EQ(op->received, "x");
}

}  // namespace
}  // namespace portshare
