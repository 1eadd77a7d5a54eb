// Accepting, connecting, closing; descriptors running out.
#include <algorithm>
#include <set>
#include <stdexcept>

#include "tests/backend_conformance/conformance_test.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;

class ConnectionTest : public ConformanceTest {
 protected:
  struct Opened : Connection {
    std::uint32_t sent = 0;  ///< with the connect
  };
  /// A connection to `listener` whose client begins like that.
  Opened open(Socket listener, const Opening& opening) {
    const SocketAddress address = stage().address_of(listener);
    RecordedOp accepting(loop());
    RecordedOp connecting(loop());
    loop().accept(accepting.op, listener);
    loop().connect(connecting.op, address, opening);
    finish(connecting);
    finish(accepting);
    EXPECT_EQ(connecting.op.status, Status::ok);
    EXPECT_EQ(accepting.op.status, Status::ok);
    return {{.client = keep(connecting.op.socket), .server = keep(accepting.op.socket)}, connecting.op.count};
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, ConnectionTest, each_engine(), name_of_engine);

TEST_P(ConnectionTest, CarriesBytesBothWaysOverEveryFamily) {
  for (const SocketAddress& address : {any_ipv4_port, any_ipv6_port, stage().unix_address()}) {
    SCOPED_TRACE(address.to_string());
    const auto [client, server] = connect_to(listen(address));
    EXPECT_EQ(send_all(client, "question"), Status::ok);
    EXPECT_EQ(receive_some(server, 8), "question");
    EXPECT_EQ(send_all(server, "answer"), Status::ok);
    EXPECT_EQ(receive_some(client, 6), "answer");
  }
}

TEST_P(ConnectionTest, BothEndsKnowTheirAddresses) {
  for (const SocketAddress& address : {any_ipv4_port, any_ipv6_port}) {
    const Socket listener = listen(address);
    const auto [client, server] = connect_to(listener);
    Backend& backend = loop().backend();
    ASSERT_TRUE(backend.local_endpoint(client));
    EXPECT_EQ(backend.peer_endpoint(client), stage().address_of(listener).ip);
    EXPECT_EQ(backend.local_endpoint(server), stage().address_of(listener).ip);
    EXPECT_EQ(backend.peer_endpoint(server), backend.local_endpoint(client));
    EXPECT_EQ(backend.local_endpoint(listener), stage().address_of(listener).ip);
  }
  const auto [client, server] = connect_to(listen(stage().unix_address()));
  EXPECT_EQ(loop().backend().local_endpoint(server), std::nullopt);
  EXPECT_EQ(loop().backend().peer_endpoint(server), std::nullopt);
  EXPECT_EQ(loop().backend().peer_endpoint(client), std::nullopt);
}

TEST_P(ConnectionTest, ManyAcceptsWaitAtTheSameTime) {
  const Socket listener = listen(any_ipv4_port);
  const SocketAddress address = stage().address_of(listener);
  constexpr std::size_t accept_count = 64;
  constexpr std::size_t connect_count = 40;
  std::vector<std::unique_ptr<RecordedOp>> accepts;
  std::vector<std::unique_ptr<RecordedOp>> connects;
  for (std::size_t i = 0; i < accept_count; ++i) {
    accepts.push_back(std::make_unique<RecordedOp>(loop()));
    loop().accept(accepts.back()->op, listener);
  }
  loop().run_once(milliseconds{0});
  for (std::size_t i = 0; i < connect_count; ++i) {
    connects.push_back(std::make_unique<RecordedOp>(loop()));
    loop().connect(connects.back()->op, address);
  }
  const auto ended = [](const auto& op) { return op->called_back(); };
  turn_until([&] {
    return std::ranges::all_of(connects, ended) &&
           std::ranges::count_if(accepts, ended) >= std::ptrdiff_t{connect_count};
  });
  for (const auto& op : accepts) loop().cancel(op->op);
  turn_until([&] { return std::ranges::all_of(accepts, ended); });

  std::set<Socket> accepted;
  for (const auto& op : connects) EXPECT_NE(keep(op->op.socket), Socket::none);
  for (const auto& op : accepts) {
    EXPECT_EQ(op->callbacks, 1U);
    EXPECT_EQ(op->op.succeeded(), op->op.socket != Socket::none);
    if (op->op.succeeded()) {
      EXPECT_TRUE(accepted.insert(keep(op->op.socket)).second);
    } else {
      EXPECT_EQ(op->op.status, Status::cancelled);
    }
  }
  EXPECT_EQ(accepted.size(), connect_count);
}

TEST_P(ConnectionTest, AcceptsWhatWaitedInTheQueue) {
  const Socket listener = listen(any_ipv4_port);
  const SocketAddress address = stage().address_of(listener);
  RecordedOp connecting(loop());
  loop().connect(connecting.op, address);
  finish(connecting);
  ASSERT_EQ(connecting.op.status, Status::ok);
  const Socket client = keep(connecting.op.socket);
  EXPECT_EQ(send_all(client, "early"), Status::ok);
  RecordedOp accepting(loop());
  loop().accept(accepting.op, listener);
  finish(accepting);
  ASSERT_EQ(accepting.op.status, Status::ok);
  EXPECT_EQ(receive_some(keep(accepting.op.socket), 5), "early");
}

TEST_P(ConnectionTest, ConnectIsRefusedWhereNobodyListens) {
  const Socket listener = listen(any_ipv4_port);
  const SocketAddress abandoned = stage().address_of(listener);
  close_listener(listener);
  SocketAddress no_folder = stage().unix_address();
  no_folder.unix_path += "/missing";
  for (const SocketAddress& address : {abandoned, stage().unix_address(), no_folder}) {
    SCOPED_TRACE(address.to_string());
    RecordedOp op(loop());
    loop().connect(op.op, address);
    finish(op);
    EXPECT_EQ(op.op.status, Status::refused);
    EXPECT_EQ(op.op.socket, Socket::none);
    EXPECT_EQ(op.callbacks, 1U);
  }
}

TEST_P(ConnectionTest, AConnectWaitsForRoomInTheQueue) {
  for (const SocketAddress& any : {any_ipv4_port, stage().unix_address()}) {
    SCOPED_TRACE(any.to_string());
    const Socket listener = listen_with_short_queue(any);
    const SocketAddress address = stage().address_of(listener);
    RecordedOp first(loop());
    loop().connect(first.op, address);
    finish(first);
    ASSERT_EQ(first.op.status, Status::ok);
    keep(first.op.socket);
    RecordedOp second(loop());
    loop().connect(second.op, address);
    loop().run_once(milliseconds{20});
    EXPECT_FALSE(second.called_back());
    for (const RecordedOp* connected : {&first, &second}) {
      RecordedOp accepting(loop());
      loop().accept(accepting.op, listener);
      finish(accepting);
      EXPECT_EQ(accepting.op.status, Status::ok);
      keep(accepting.op.socket);
      finish(*connected);
    }
    EXPECT_EQ(second.op.status, Status::ok);
    keep(second.op.socket);
  }
}

TEST_P(ConnectionTest, AnUnansweredConnectIsCancelled) {
  for (const SocketAddress& any : {any_ipv4_port, stage().unix_address()}) {
    SCOPED_TRACE(any.to_string());
    const Socket listener = listen_with_short_queue(any);
    const SocketAddress address = stage().address_of(listener);
    RecordedOp first(loop());
    loop().connect(first.op, address);
    finish(first);
    ASSERT_EQ(first.op.status, Status::ok);
    keep(first.op.socket);
    RecordedOp second(loop());
    loop().connect(second.op, address);
    loop().run_once(milliseconds{20});
    loop().cancel(second.op);
    EXPECT_FALSE(second.called_back());
    finish(second);
    EXPECT_EQ(second.op.status, Status::cancelled);
    EXPECT_EQ(second.op.socket, Socket::none);
  }
}

const std::array<Opening, 3> openings{Opening{}, {.follows = true}, {.bytes = as_bytes("first words")}};

TEST_P(ConnectionTest, AConnectThatIsRefusedLeavesNoSocket) {
  const Socket listener = listen(any_ipv4_port);
  const Socket abandoned_listener = listen(any_ipv4_port);
  const SocketAddress abandoned = stage().address_of(abandoned_listener);
  close_listener(abandoned_listener);
  const Socket before = connect_to(listener).client;
  close(before);
  for (const Opening& opening : openings) {
    RecordedOp op(loop());
    loop().connect(op.op, abandoned, opening);
    finish(op);
    EXPECT_EQ(op.op.status, Status::refused);
    EXPECT_EQ(op.op.socket, Socket::none);
    EXPECT_EQ(op.op.count, 0U);
  }
  const Socket after = connect_to(listener).client;
  // The system gives out the lowest number that is free; the simulator never gives one again.
  if (!GetParam().name.starts_with("simulated")) {
    EXPECT_EQ(after, before);
  }
}

TEST_P(ConnectionTest, WhoeverSendsAtOnceIsHeardFirst) {
  for (const SocketAddress& any : {any_ipv4_port, any_ipv6_port, stage().unix_address()}) {
    SCOPED_TRACE(any.to_string());
    const Socket listener = listen(any);
    const SocketAddress address = stage().address_of(listener);
    RecordedOp accepting(loop());
    RecordedOp connecting(loop());
    loop().accept(accepting.op, listener);
    loop().connect(connecting.op, address, {.follows = true});
    finish(connecting);
    ASSERT_EQ(connecting.op.status, Status::ok);
    const Socket client = keep(connecting.op.socket);
    EXPECT_EQ(send_all(client, "question"), Status::ok);
    finish(accepting);
    ASSERT_EQ(accepting.op.status, Status::ok);
    const Socket server = keep(accepting.op.socket);
    EXPECT_EQ(receive_some(server, 8), "question");
    EXPECT_EQ(send_all(server, "answer"), Status::ok);
    EXPECT_EQ(receive_some(client, 6), "answer");
  }
}

TEST_P(ConnectionTest, TheFirstBytesGoWithTheConnect) {
  for (const SocketAddress& any : {any_ipv4_port, any_ipv6_port, stage().unix_address()}) {
    SCOPED_TRACE(any.to_string());
    const Socket listener = listen(any);
    const std::string question = "a question for you";
    // The second connection is made with the socket of the first, where an engine keeps it.
    for (int round = 0; round < 2; ++round) {
      const Opened opened = open(listener, {.bytes = as_bytes(question)});
      // The simulator may take fewer than there is room for.
      ASSERT_LE(opened.sent, question.size());
      if (!GetParam().name.starts_with("simulated")) {
        EXPECT_EQ(opened.sent, question.size());
      }
      EXPECT_EQ(send_all(opened.client, question.substr(opened.sent)), Status::ok);
      EXPECT_EQ(receive_some(opened.server, question.size()), question);
      EXPECT_EQ(send_all(opened.server, "answer"), Status::ok);
      EXPECT_EQ(receive_some(opened.client, 6), "answer");
      close(opened.server);
      EXPECT_EQ(receive_some(opened.client, 1), "") << "the end";
      close(opened.client, CloseMode::after_end);
    }
  }
}

TEST_P(ConnectionTest, OfManyFirstBytesGoAsManyAsThereIsRoomFor) {
  for (const SocketAddress& any : {any_ipv4_port, stage().unix_address()}) {
    SCOPED_TRACE(any.to_string());
    std::string all(stage().bulk_size(), 0);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i * 7 + i / 251);
    const Opened opened = open(listen(any), {.bytes = as_bytes(all)});
    ASSERT_LT(opened.sent, all.size());
    const std::string there = receive_some(opened.server, opened.sent);
    EXPECT_TRUE(all.starts_with(there));
    EXPECT_EQ(there.size(), opened.sent);
    EXPECT_EQ(send_all(opened.client, "rest"), Status::ok);
    EXPECT_EQ(receive_some(opened.server, 4), "rest");
  }
}

TEST_P(ConnectionTest, APeerThatResetsAtOnceHadAccepted) {
  const Opened opened = open(listen(any_ipv4_port), {.bytes = as_bytes("first words")});
  close(opened.server, CloseMode::reset);
  EXPECT_EQ(receive_status(opened.client), Status::reset);
}

TEST_P(ConnectionTest, WhoeverWantedToSendAtOnceMayWaitAllTheSame) {
  const Opened opened = open(listen(any_ipv4_port), {.follows = true});
  EXPECT_EQ(send_all(opened.server, "greeting"), Status::ok);
  EXPECT_EQ(receive_some(opened.client, 8), "greeting");
}

TEST_P(ConnectionTest, AConnectAfterACancelledOneWaitsForRoomAndSends) {
  for (const Opening& opening : {Opening{.follows = true}, Opening{.bytes = as_bytes("patience")}}) {
    for (const SocketAddress& any : {any_ipv4_port, stage().unix_address()}) {
      SCOPED_TRACE(any.to_string());
      const Socket listener = listen_with_short_queue(any);
      const SocketAddress address = stage().address_of(listener);
      RecordedOp first(loop());
      loop().connect(first.op, address);
      finish(first);
      ASSERT_EQ(first.op.status, Status::ok);
      const Socket in_queue = keep(first.op.socket);
      RecordedOp given_up(loop());
      RecordedOp patient(loop());
      loop().connect(given_up.op, address, opening);
      loop().run_once(milliseconds{20});
      loop().cancel(given_up.op);
      finish(given_up);
      EXPECT_EQ(given_up.op.status, Status::cancelled);
      EXPECT_EQ(given_up.op.socket, Socket::none);

      loop().connect(patient.op, address, opening);
      loop().run_once(milliseconds{20});
      EXPECT_FALSE(patient.called_back());
      RecordedOp accepting(loop());
      loop().accept(accepting.op, listener);
      finish(accepting);
      ASSERT_EQ(accepting.op.status, Status::ok);
      close(in_queue);
      close(accepting.op.socket);
      finish(patient);
      ASSERT_EQ(patient.op.status, Status::ok);
      const Socket client = keep(patient.op.socket);
      EXPECT_EQ(send_all(client, std::string("patience").substr(patient.op.count)), Status::ok);
      loop().accept(accepting.op, listener);
      finish(accepting);
      ASSERT_EQ(accepting.op.status, Status::ok);
      EXPECT_EQ(receive_some(keep(accepting.op.socket), 8), "patience");
    }
  }
}

TEST_P(ConnectionTest, DescriptorsRunOutAndComeBack) {
  const Socket listener = listen(any_ipv4_port);
  const SocketAddress address = stage().address_of(listener);
  RecordedOp first(loop());
  loop().connect(first.op, address);
  finish(first);
  ASSERT_EQ(first.op.status, Status::ok);
  keep(first.op.socket);

  RecordedOp accepting(loop());
  RecordedOp connecting(loop());
  stage().forbid_descriptors();
  loop().accept(accepting.op, listener);
  loop().connect(connecting.op, address);
  turn_until([&] { return accepting.op.is_idle() && connecting.op.is_idle(); });
  stage().allow_descriptors();
  EXPECT_EQ(accepting.op.status, Status::no_descriptors);
  EXPECT_EQ(accepting.op.socket, Socket::none);
  EXPECT_EQ(connecting.op.status, Status::no_descriptors);
  EXPECT_EQ(connecting.op.socket, Socket::none);

  // The connection that could not be accepted is still in the queue.
  loop().accept(accepting.op, listener);
  loop().connect(connecting.op, address);
  turn_until([&] { return accepting.op.is_idle() && connecting.op.is_idle(); });
  EXPECT_EQ(accepting.op.status, Status::ok);
  keep(accepting.op.socket);
  EXPECT_EQ(connecting.op.status, Status::ok);
  keep(connecting.op.socket);
}

TEST_P(ConnectionTest, AnAcceptThatWaitsReportsThatDescriptorsRanOut) {
  const Socket listener = listen(any_ipv4_port);
  const SocketAddress address = stage().address_of(listener);
  RecordedOp connecting(loop());
  RecordedOp accepting(loop());
  loop().accept(accepting.op, listener);
  loop().run_once(milliseconds{0});
  // The connect takes the last descriptor as soon as the engine sees it.
  bool forbidden = false;
  loop().connect(connecting.op, address);
  loop().run_once(milliseconds{0});
  if (accepting.op.is_idle()) {
    keep(accepting.op.socket);
  } else {
    stage().forbid_descriptors();
    forbidden = true;
    finish(accepting);
    stage().allow_descriptors();
    EXPECT_EQ(accepting.op.status, Status::no_descriptors);
  }
  finish(connecting);
  keep(connecting.op.socket);
  if (!forbidden) return;
  loop().accept(accepting.op, listener);
  finish(accepting);
  EXPECT_EQ(accepting.op.status, Status::ok);
  keep(accepting.op.socket);
}

TEST_P(ConnectionTest, AListenerMayHaveTheNumberOfAnEarlierOne) {
  for (int round = 0; round < 20; ++round) {
    const Socket listener = listen(any_ipv4_port);
    const auto [client, server] = connect_to(listener);
    EXPECT_EQ(send_all(client, "x"), Status::ok);
    EXPECT_EQ(receive_some(server, 1), "x");
    close(client);
    close(server);
    close_listener(listener);
  }
}

TEST_P(ConnectionTest, ALoopClosesAListenerToo) {
  const Socket listener = *stage().listen(any_ipv4_port);
  const SocketAddress address = stage().address_of(listener);
  close(listener);
  RecordedOp op(loop());
  loop().connect(op.op, address);
  finish(op);
  EXPECT_EQ(op.op.status, Status::refused);
}

TEST_P(ConnectionTest, AcceptingPausesWhileNoAcceptIsInFlight) {
  const Socket listener = listen(any_ipv4_port);
  const SocketAddress address = stage().address_of(listener);
  const auto [client, server] = connect_to(listener);
  RecordedOp connecting(loop());
  loop().connect(connecting.op, address);
  finish(connecting);
  keep(connecting.op.socket);
  // The connection that nobody accepts must not keep the loop turning.
  RecordedOp receiving(loop());
  loop().receive(receiving.op, server);
  for (int i = 0; i < 5; ++i) loop().run_once(milliseconds{1});
  EXPECT_FALSE(receiving.called_back());
  RecordedOp accepting(loop());
  loop().accept(accepting.op, listener);
  finish(accepting);
  EXPECT_EQ(accepting.op.status, Status::ok);
  keep(accepting.op.socket);
  EXPECT_EQ(send_all(client, "x"), Status::ok);
  finish(receiving);
  EXPECT_EQ(receiving.received, "x");
}

TEST_P(ConnectionTest, TwoThousandConnectionsWaitWithoutABuffer) {
  constexpr std::size_t count = 2000;
  const Socket listener = listen(any_ipv4_port);
  std::vector<Connection> connections;
  for (std::size_t i = 0; i < count; i += 250)
    for (const Connection connection : connect_many(listener, 250)) connections.push_back(connection);

  std::size_t ended = 0;
  std::vector<std::unique_ptr<RecordedOp>> receives;
  for (const auto& [client, server] : connections) {
    receives.push_back(std::make_unique<RecordedOp>(loop(), [&] { ++ended; }));
    loop().receive(receives.back()->op, server);
  }
  for (int i = 0; i < 10; ++i) loop().run_once(milliseconds{1});
  EXPECT_EQ(ended, 0U);
  EXPECT_EQ(loop().buffers().outstanding(), 0U);

  std::vector<std::string> messages;
  messages.reserve(count);
  std::vector<std::unique_ptr<RecordedOp>> sends;
  for (std::size_t i = 0; i < count; ++i) messages.push_back(pattern(i * 8, 8));
  for (std::size_t i = 0; i < count; ++i) {
    sends.push_back(std::make_unique<RecordedOp>(loop()));
    loop().send(sends.back()->op, connections[i].client, as_bytes(messages[i]));
  }
  turn_until([&] {
    return ended == count && std::ranges::all_of(sends, [](const auto& op) { return op->op.is_idle(); });
  });
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(receives[i]->op.status, Status::ok);
    ASSERT_TRUE(messages[i].starts_with(receives[i]->received)) << "connection " << i;
    ASSERT_FALSE(receives[i]->received.empty());
  }
}

}  // namespace
}  // namespace portshare
