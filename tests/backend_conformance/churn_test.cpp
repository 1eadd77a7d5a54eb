// Sockets that come and go while events for them are on their way: an engine that mistakes a new socket for
// the old one of the same number shows it here.
#include <algorithm>
#include <deque>

#include "tests/backend_conformance/conformance_test.h"
#include "tests/simulation/scripted_client.h"
#include "tests/simulation/scripted_server.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

using ChurnTest = ConformanceTest;
INSTANTIATE_TEST_SUITE_P(Engines, ChurnTest, each_engine(), name_of_engine);

/// Keeps `width` clients of an echo server busy until `total` have ended; each sends bytes of its own.
class Churn {
 public:
  Churn(Loop& loop, SocketAddress server) : loop_(loop), server_(std::move(server)) {}

  static constexpr std::size_t total = 2000;
  static constexpr std::size_t width = 40;

  void start_new_ones() {
    std::erase_if(running_, [&](Running& running) {
      if (!running.client->is_done()) return false;
      ++ended_;
      check(running);
      return true;
    });
    while (running_.size() < width && started_ < total) start_one();
  }
  [[nodiscard]] bool done() const { return ended_ == total; }
  [[nodiscard]] std::size_t complete() const { return complete_; }

 private:
  struct Running {
    std::string payload;
    bool echo_expected = false;
    std::unique_ptr<ScriptedClient> client = nullptr;
  };

  void start_one() {
    ++started_;
    Running running{.payload = random_bytes(random_, 1 + random_.below(300))};
    PeerScript script{.send = running.payload};
    switch (random_.below(4)) {
      case 0:  // goes at once, with everything on its way
        script.ending = PeerScript::Ending::close;
        break;
      case 1:
        script.reset_after_sent = random_.below(running.payload.size() + 1);
        break;
      case 2:
        script.reset_after_received = 1;
        break;
      default:
        running.echo_expected = true;
    }
    running.client = std::make_unique<ScriptedClient>(loop_, Random(random_.next()), server_, script);
    running.client->start();
    running_.push_back(std::move(running));
  }

  void check(const Running& running) {
    ASSERT_EQ(running.client->connect_status(), Status::ok);
    const PeerRecord& record = running.client->record();
    ASSERT_TRUE(running.payload.starts_with(record.received)) << "somebody else's bytes";
    if (!running.echo_expected) return;
    ASSERT_EQ(record.end, PeerRecord::End::as_scripted) << to_string(record.receive_status);
    ASSERT_EQ(record.received, running.payload);
    ++complete_;
  }

  Loop& loop_;
  const SocketAddress server_;
  Random random_{1};
  std::deque<Running> running_;
  std::size_t started_ = 0;
  std::size_t ended_ = 0;
  std::size_t complete_ = 0;
};

TEST_P(ChurnTest, ReusedNumbersCauseNoMixUps) {
  const Socket listener = *stage().listen(any_ipv4_port);
  const SocketAddress address = stage().address_of(listener);
  ScriptedServer server(loop(), Random(2), listener, [](std::size_t) { return PeerScript{.echo = true}; });
  server.start();
  Churn churn(loop(), address);
  turn_until([&] {
    churn.start_new_ones();
    return churn.done();
  });
  EXPECT_GT(churn.complete(), Churn::total / 8);
  server.stop();
  turn_until([&] { return server.is_stopped(); });
}

}  // namespace
}  // namespace portshare
