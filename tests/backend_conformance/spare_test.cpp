// Sockets that an engine keeps when their connections have ended (CloseMode::after_end): nobody may notice.
#include <algorithm>
#include <deque>
#include <filesystem>
#include <iterator>

#include "platform/spare_sockets.h"
#include "tests/backend_conformance/conformance_test.h"
#include "tests/simulation/scripted_server.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator descriptors("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(descriptors), end(descriptors)));
}

class SpareTest : public ConformanceTest {
 protected:
  /// Ends it on both sides, the server's first, and lets the engine keep the client's socket.
  void end(const Connection& connection) {
    EXPECT_EQ(shut_down(connection.server), Status::ok);
    EXPECT_EQ(receive_all(connection.client), "");
    EXPECT_EQ(shut_down(connection.client), Status::ok);
    EXPECT_EQ(receive_all(connection.server), "");
    close(connection.server);
    close(connection.client, CloseMode::after_end);
  }
  void exchange_bytes(const Connection& connection) {
    EXPECT_EQ(send_all(connection.client, "question"), Status::ok);
    EXPECT_EQ(receive_some(connection.server, 8), "question");
    EXPECT_EQ(send_all(connection.server, "answer"), Status::ok);
    EXPECT_EQ(receive_some(connection.client, 6), "answer");
  }
  /// Has the engine keep as many sockets as it does.
  void fill(Socket listener, std::size_t count) {
    for (const Connection& connection : connect_many(listener, count)) end(connection);
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, SpareTest, each_engine(), name_of_engine);

TEST_P(SpareTest, ConnectionsFollowOneAnother) {
  const Socket listener = listen(any_ipv4_port);
  for (int i = 0; i < 100; ++i) {
    const Connection connection = connect_to(listener);
    exchange_bytes(connection);
    end(connection);
  }
}

TEST_P(SpareTest, TheEndReachesThePeerAllTheSame) {
  for (const SocketAddress& address : {any_ipv4_port, stage().unix_address()}) {
    const Connection connection = connect_to(listen(address));
    EXPECT_EQ(shut_down(connection.server), Status::ok);
    EXPECT_EQ(receive_all(connection.client), "");
    EXPECT_EQ(send_all(connection.client, "last words"), Status::ok);
    close(connection.client, CloseMode::after_end);
    EXPECT_EQ(receive_all(connection.server), "last words");
  }
}

TEST_P(SpareTest, FamiliesDoNotMixUp) {
  const auto ipv6 = stage().listen(any_ipv6_port);
  if (!ipv6) GTEST_SKIP() << "no IPv6 here";
  const std::vector<Socket> listeners{listen(any_ipv4_port), *ipv6, listen(stage().unix_address())};
  // Numbers go from one family to the other, by closes of every kind.
  for (int i = 0; i < 60; ++i) {
    const Connection connection = connect_to(listeners[static_cast<std::size_t>(i * i + i / 7) % 3]);
    exchange_bytes(connection);
    switch (i % 4) {
      case 0:
        close(connection.client, CloseMode::reset);
        close(connection.server);
        break;
      case 1:
        close(connection.client);
        close(connection.server);
        break;
      default:
        end(connection);
    }
  }
  stage().close_listener(*ipv6);
}

TEST_P(SpareTest, AnAcceptedSocketIsNotKeptForWhatItsNumberWasBefore) {
  const Socket listener = listen(any_ipv4_port);
  const std::vector<Connection> first = connect_many(listener, 8);
  for (const Connection& connection : first) {
    close(connection.client, CloseMode::reset);
    close(connection.server);
  }
  const std::vector<Connection> second = connect_many(listener, 8);
  for (const Connection& connection : second) {
    EXPECT_EQ(shut_down(connection.client), Status::ok);
    EXPECT_EQ(receive_all(connection.server), "");
    EXPECT_EQ(shut_down(connection.server), Status::ok);
    EXPECT_EQ(receive_all(connection.client), "");
    close(connection.client);
    close(connection.server, CloseMode::after_end);
  }
  for (const Connection& connection : connect_many(listener, 20)) {
    exchange_bytes(connection);
    EXPECT_NE(loop().backend().local_endpoint(connection.client), stage().address_of(listener).ip)
        << "a connection that begins at the listener's port";
  }
}

TEST_P(SpareTest, AResetBehindTheEndIsNotTheNextOnesFault) {
  const Socket listener = listen(any_ipv4_port);
  for (int i = 0; i < 20; ++i) {
    const Connection connection = connect_to(listener);
    EXPECT_EQ(shut_down(connection.server), Status::ok);
    EXPECT_EQ(receive_all(connection.client), "");
    EXPECT_EQ(send_all(connection.client, "unread"), Status::ok);
    close(connection.server, CloseMode::reset);
    close(connection.client, CloseMode::after_end);
    const Connection next = connect_to(listener);
    exchange_bytes(next);
    end(next);
  }
}

/// Clients of which each does something else with its connection, while others come.
class SpareChurn {
 public:
  SpareChurn(Loop& loop, SocketAddress server) : loop_(loop), server_(std::move(server)) {}

  static constexpr std::size_t total = 4'000;
  static constexpr std::size_t width = 100;

  void start_new_ones() {
    std::erase_if(running_, [&](const auto& client) {
      if (!client->closed) return false;
      ++ended_;
      return true;
    });
    while (running_.size() < width && started_ < total) start_one();
  }
  [[nodiscard]] bool done() const { return ended_ == total; }
  [[nodiscard]] std::size_t complete() const { return complete_; }

 private:
  enum class Ending : std::uint8_t { after_the_peer, first, in_the_middle, by_reset };

  struct Client {
    std::string payload;
    Ending ending = Ending::after_the_peer;
    std::size_t sent = 0;
    bool shut_down = false;
    bool end_received = false;
    bool failed = false;
    bool closing = false;
    bool closed = false;
    Socket socket = Socket::none;
    std::unique_ptr<RecordedOp> receive = nullptr;
    std::unique_ptr<RecordedOp> send = nullptr;
  };

  void start_one() {
    ++started_;
    auto client = std::make_unique<Client>();
    Client& self = *client;
    self.payload = random_bytes(random_, 1 + random_.below(500));
    self.ending = static_cast<Ending>(random_.below(4));
    // A letter in front tells the server what to do.
    self.payload.front() = "EHRU"[random_.below(4)];
    // An echo ends behind its client.
    if (self.payload.front() == 'E' && self.ending == Ending::after_the_peer) self.ending = Ending::first;
    self.receive = std::make_unique<RecordedOp>(loop_, [this, &self] { received(self); });
    self.send = std::make_unique<RecordedOp>(loop_, [this, &self] { sent(self); });
    Opening opening;
    switch (random_.below(3)) {
      case 0:
        opening.bytes = as_bytes(self.payload);
        break;
      case 1:
        opening.follows = true;
        break;
      default:
        break;
    }
    loop_.connect(self.send->op, server_, opening);
    running_.push_back(std::move(client));
  }

  void sent(Client& self) {
    const Op& op = self.send->op;
    if (op.kind == Op::Kind::close) {
      self.closed = true;
      return;
    }
    if (op.kind == Op::Kind::connect) {
      ASSERT_EQ(op.status, Status::ok);
      self.socket = op.socket;
      self.sent = op.count;
      loop_.receive(self.receive->op, self.socket);
    } else if (!op.succeeded()) {
      self.failed = true;
    } else if (op.kind == Op::Kind::send) {
      self.sent += op.count;
    } else {
      self.shut_down = true;
    }
    proceed(self);
  }
  void received(Client& self) {
    const Op& op = self.receive->op;
    ASSERT_TRUE(self.payload.starts_with(self.receive->received)) << "somebody else's bytes";
    if (!op.succeeded())
      self.failed = true;
    else if (op.count == 0)
      self.end_received = true;
    else if (!self.closing)
      loop_.receive(self.receive->op, self.socket);
    proceed(self);
  }
  void proceed(Client& self) {
    const bool is_enough = self.ending == Ending::in_the_middle || self.ending == Ending::by_reset;
    if (self.failed || self.end_received || (is_enough && self.sent > self.payload.size() / 2))
      self.closing = true;
    if (!self.send->op.is_idle()) return;
    if (self.closing) return finish(self);
    if (self.sent < self.payload.size()) {
      const ByteView rest = as_bytes(self.payload).subspan(self.sent);
      return loop_.send(self.send->op, self.socket, rest);
    }
    if (self.ending == Ending::first && !self.shut_down) loop_.shutdown(self.send->op, self.socket);
  }
  void finish(Client& self) {
    if (!self.receive->op.is_idle()) return loop_.cancel(self.receive->op);
    // Like a session: orderly failures, too, once the end has been read.
    const CloseMode mode = self.end_received                 ? CloseMode::after_end
                           : self.ending == Ending::by_reset ? CloseMode::reset
                                                             : CloseMode::orderly;
    if (self.payload.front() == 'E' && self.ending == Ending::first && !self.failed) {
      EXPECT_EQ(self.receive->received, self.payload);
      ++complete_;
    }
    loop_.close(self.send->op, self.socket, mode);
  }

  Loop& loop_;
  const SocketAddress server_;
  Random random_{1};
  std::deque<std::unique_ptr<Client>> running_;
  std::size_t started_ = 0;
  std::size_t ended_ = 0;
  std::size_t complete_ = 0;
};

/// Does what the first byte says: echoes to the end, says half of it and ends, resets, or ends without having
/// read all.
PeerScript obedient_server(std::size_t) {
  PeerScript script{.ending = PeerScript::Ending::wait, .patience = minutes{10}};
  script.react = [sent = std::size_t{0}](const std::string& received) mutable {
    PeerScript::Reaction reaction;
    if (received.empty()) return reaction;
    const std::string answer = received.substr(sent);
    sent = received.size();
    switch (received.front()) {
      case 'E':
        reaction.send = answer;
        break;
      case 'H':
        reaction = {.send = answer.substr(0, (answer.size() + 1) / 2),
                    .finished = true,
                    .ending = PeerScript::Ending::half_close};
        break;
      case 'R':
        reaction = {.send = answer, .finished = true, .ending = {}, .resets = true};
        break;
      default:
        reaction = {.send = "", .finished = true, .ending = PeerScript::Ending::close};
    }
    return reaction;
  };
  return script;
}

TEST_P(SpareTest, ManyEndsOfEveryKindMixNothingUpAndLeakNothing) {
  TearDown();
  const std::size_t before = open_descriptors();
  start(SIZE_MAX);
  if (IsSkipped()) return;
  {
    const Socket listener = *stage().listen(any_ipv4_port);
    const SocketAddress address = stage().address_of(listener);
    ScriptedServer server(loop(), Random(2), listener, obedient_server);
    server.start();
    const std::size_t idle = open_descriptors();
    SpareChurn churn(loop(), address);
    turn_until([&] {
      churn.start_new_ones();
      return churn.done();
    });
    EXPECT_GT(churn.complete(), SpareChurn::total / 40);
    server.stop();
    turn_until([&] { return server.is_stopped(); });
    EXPECT_LE(open_descriptors(), idle + 2 * SpareSockets::most_spares)
        << "of those that speak first and others";
  }
  TearDown();
  EXPECT_EQ(open_descriptors(), before);
}

/// The simulator keeps none.
class SpareShortageTest : public SpareTest {};

std::vector<EngineCase> engines_that_keep_sockets() {
  std::vector<EngineCase> engines = all_engines();
  std::erase_if(engines, [](const EngineCase& engine) { return engine.name.starts_with("simulated"); });
  return engines;
}
INSTANTIATE_TEST_SUITE_P(Engines, SpareShortageTest, testing::ValuesIn(engines_that_keep_sockets()),
                         name_of_engine);

TEST_P(SpareShortageTest, SocketsAreKept) {
  const Socket listener = listen(any_ipv4_port);
  fill(listener, 1);
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 5; ++i) fill(listener, 10);
  EXPECT_EQ(open_descriptors(), before + 9);
  fill(listener, SpareSockets::most_spares + 10);
  EXPECT_EQ(open_descriptors(), before + SpareSockets::most_spares - 1) << "and no more than these";
}

TEST_P(SpareShortageTest, AnAcceptThatLacksADescriptorGetsASpareOnes) {
  const Socket listener = listen(any_ipv4_port);
  fill(listener, 3);
  stage().forbid_descriptors();
  // The connect takes one of the three, so that the accept goes without, and the others are given up for it.
  const Connection connection = connect_to(listener);
  stage().allow_descriptors();
  ASSERT_NE(connection.server, Socket::none);
  exchange_bytes(connection);
}

TEST_P(SpareShortageTest, AConnectOfAnotherFamilyGetsASparesDescriptor) {
  const Socket listener = listen(any_ipv4_port);
  const Socket other = listen(stage().unix_address());
  fill(listener, 3);
  stage().forbid_descriptors();
  const Connection connection = connect_to(other);
  stage().allow_descriptors();
  ASSERT_NE(connection.client, Socket::none);
  ASSERT_NE(connection.server, Socket::none);
  exchange_bytes(connection);
}

TEST_P(SpareShortageTest, WithoutASpareTheShortageIsTold) {
  const SocketAddress address = stage().address_of(listen(any_ipv4_port));
  stage().forbid_descriptors();
  RecordedOp op(loop());
  loop().connect(op.op, address);
  finish(op);
  stage().allow_descriptors();
  EXPECT_EQ(op.op.status, Status::no_descriptors);
}

}  // namespace
}  // namespace portshare
