// Ends of streams that travel with the last bytes: receives that announce them, and sends that say them.
#include <algorithm>

#include "core/random.h"
#include "tests/backend_conformance/conformance_test.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;

class EndOfStreamTest : public ConformanceTest {
 protected:
  struct Received {
    Status status = Status::ok;
    std::string bytes;
    bool is_last = false;
  };
  /// No engine takes so much at a time.
  std::size_t more_than_a_send() { return stage().bulk_size() / 3; }
  Received receive_once(Socket socket) {
    RecordedOp op(loop());
    loop().receive(op.op, socket);
    finish(op);
    return {op.op.status, op.received, op.op.is_last()};
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, EndOfStreamTest, each_engine(), name_of_engine);

TEST_P(EndOfStreamTest, NothingFollowsBytesThatAreLast) {
  Random random(1);
  for (const SocketAddress& address : {any_ipv4_port, stage().unix_address()}) {
    const Socket listener = listen(address);
    for (int round = 0; round < 60; ++round) {
      const auto [client, server] = connect_to(listener);
      const std::size_t size = 1 + random.below(round % 2 ? 40'000 : 10);
      const std::string bytes = pattern(0, size);
      RecordedOp sending(loop());
      std::size_t sent = 0;
      sending.then = [&, socket = client] {
        if (sending.op.kind == Op::Kind::shutdown) return;
        ASSERT_EQ(sending.op.status, Status::ok);
        sent += sending.op.count;
        if (sent == size) return loop().shutdown(sending.op, socket);
        const std::size_t piece = 1 + random.below(size - sent);
        loop().send(sending.op, socket, as_bytes(bytes).subspan(sent, piece));
      };
      loop().send(sending.op, client, as_bytes(bytes).first(1 + random.below(size)));
      // Sometimes everything is there before the first receive, sometimes the receive waits for it.
      if (random.chance(1, 2)) {
        for (int turn = 0; turn < 10; ++turn) loop().run_once(milliseconds{1});
      }

      std::string received;
      bool was_last = false;
      while (true) {
        const Received got = receive_once(server);
        ASSERT_EQ(got.status, Status::ok);
        if (got.bytes.empty()) break;
        EXPECT_FALSE(was_last) << "bytes behind the last ones";
        was_last = got.is_last;
        received += got.bytes;
        if (was_last) {
          EXPECT_EQ(received.size(), size);
        }
      }
      EXPECT_EQ(received, bytes);
      finish(sending);
      close(client);
      close(server);
    }
  }
}

TEST_P(EndOfStreamTest, AStreamThatGoesOnHasNoLastBytes) {
  const auto [client, server] = connect_over_ipv4();
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(send_all(client, "x"), Status::ok);
    EXPECT_FALSE(receive_once(server).is_last);
  }
}

TEST_P(EndOfStreamTest, AResetIsNotAnnouncedAsAnEnd) {
  // The send that waits learns of the reset in the turn in which the receive gets the bytes before it.
  for (const SocketAddress& address : {any_ipv4_port, stage().unix_address()}) {
    const auto [client, server] = connect_to(listen(address));
    constexpr std::size_t piece = std::size_t{64} * 1024;
    const std::string bulk(stage().bulk_size(), 'u');
    RecordedOp sending(loop());
    std::size_t sent = 0;
    sending.then = [&, socket = server] {
      if (!sending.op.succeeded()) return;
      sent += sending.op.count;
      loop().send(sending.op, socket,
                  as_bytes(bulk).subspan(sent).first(std::min(piece, bulk.size() - sent)));
    };
    loop().send(sending.op, server, as_bytes(bulk).first(piece));
    turn_until_stalled(sending);
    ASSERT_FALSE(sending.op.is_idle());
    EXPECT_EQ(send_all(client, "x"), Status::ok);
    loop().run_once(milliseconds{20});

    RecordedOp closing(loop());
    RecordedOp receiving(loop());
    loop().close(closing.op, client, CloseMode::reset);
    loop().receive(receiving.op, server);
    turn_until([&] { return closing.op.is_idle() && receiving.op.is_idle() && sending.op.is_idle(); });
    forget(client);
    EXPECT_EQ(sending.op.status, Status::reset);
    if (receiving.op.succeeded()) {
      EXPECT_FALSE(receiving.op.is_last());
    }
  }
}

TEST_P(EndOfStreamTest, ASendMaySayTheEnd) {
  for (const SocketAddress& address : {any_ipv4_port, any_ipv6_port, stage().unix_address()}) {
    SCOPED_TRACE(address.to_string());
    const auto [client, server] = connect_to(listen(address));
    RecordedOp asking(loop());
    std::string question = "question";
    while (!asking.op.last) {
      loop().send_last(asking.op, client, as_bytes(question));
      finish(asking);
      ASSERT_EQ(asking.op.status, Status::ok);
      question.erase(0, asking.op.count);
    }
    EXPECT_EQ(question, "");
    EXPECT_EQ(receive_all(server), "question");
    EXPECT_EQ(send_all(server, "answer"), Status::ok) << "the other direction lives on";
    EXPECT_EQ(receive_some(client, 6), "answer");
    EXPECT_EQ(shut_down(server), Status::ok);
    EXPECT_EQ(receive_all(client), "");
  }
}

TEST_P(EndOfStreamTest, AnEndWaitsUntilAllBytesAreTaken) {
  for (const SocketAddress& address : {any_ipv4_port, stage().unix_address()}) {
    const auto [client, server] = connect_to(listen(address));
    const std::string bytes = pattern(0, more_than_a_send());
    RecordedOp sending(loop());
    std::size_t sent = 0;
    sending.then = [&, socket = client] {
      ASSERT_EQ(sending.op.status, Status::ok);
      sent += sending.op.count;
      EXPECT_EQ(sending.op.last, sent == bytes.size());
      if (sent < bytes.size()) loop().send_last(sending.op, socket, as_bytes(bytes).subspan(sent));
    };
    loop().send_last(sending.op, client, as_bytes(bytes));
    EXPECT_TRUE(receive_all(server) == bytes);
    finish(sending);
    EXPECT_TRUE(sending.op.last);
    EXPECT_GT(sending.callbacks, 1U);
  }
}

TEST_P(EndOfStreamTest, APlainSendAfterAPartOfALastOneIsSentAtOnce) {
  // Whoever gave up saying the end has not said it, and its bytes do not wait for it.
  const auto [client, server] = connect_over_ipv4();
  const std::string bytes = pattern(0, more_than_a_send());
  RecordedOp sending(loop());
  loop().send_last(sending.op, client, as_bytes(bytes));
  finish(sending);
  ASSERT_EQ(sending.op.status, Status::ok);
  ASSERT_FALSE(sending.op.last);
  const std::size_t sent = sending.op.count;
  RecordedOp rest(loop());
  loop().send(rest.op, client, as_bytes(bytes).subspan(sent, 1));
  EXPECT_TRUE(receive_some(server, sent + 1) == bytes.substr(0, sent + 1));
  finish(rest);
  EXPECT_FALSE(rest.op.last) << "a flag of the send before";
}

TEST_P(EndOfStreamTest, SayingTheEndToAPeerThatHasResetFails) {
  for (const SocketAddress& address : {any_ipv4_port, stage().unix_address()}) {
    const auto [client, server] = connect_to(listen(address));
    close(server, CloseMode::reset);
    (void)receive_once(client);  // until it is here
    RecordedOp op(loop());
    loop().send_last(op.op, client, as_bytes("x"));
    finish(op);
    EXPECT_EQ(op.op.status, Status::reset);
    EXPECT_FALSE(op.op.last);
  }
}

}  // namespace
}  // namespace portshare
