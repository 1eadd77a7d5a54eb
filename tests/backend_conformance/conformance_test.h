// The fixture of the conformance suite: one loop that runs both ends of every connection.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/loop.h"
#include "tests/backend_conformance/stage.h"
#include "tests/recorded_op.h"

namespace portshare {

inline const SocketAddress any_ipv4_port{.ip = IpEndpoint{IpAddress::v4({127, 0, 0, 1}), 0}, .unix_path = {}};
inline const SocketAddress any_ipv6_port{
    .ip = IpEndpoint{IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), 0}, .unix_path = {}};

class ConformanceTest : public testing::TestWithParam<EngineCase> {
 protected:
  struct Connection {
    Socket client = Socket::none;
    Socket server = Socket::none;
  };

  void SetUp() override { start(SIZE_MAX); }
  /// What a test leaves open is closed; what it leaves pending is a failure.
  void TearDown() override;

  /// A new loop on a new stage, instead of the present one.
  void start(std::size_t buffer_limit);

  [[nodiscard]] Loop& loop() { return *loop_; }
  [[nodiscard]] Stage& stage() { return *stage_; }

  /// Turns until `done`. Aborts if nothing happens for so long that something must be stuck.
  void turn_until(const std::function<bool()>& done);
  void finish(const RecordedOp& op) {
    turn_until([&] { return op.op.is_idle(); });
  }
  /// Turns as long as a turn brings one of `op`'s callbacks.
  void turn_until_stalled(const RecordedOp& op);

  /// Closed at the end, if the test does not do it.
  Socket listen(const SocketAddress& address);
  Socket listen_with_short_queue(const SocketAddress& address);
  void close_listener(Socket listener);

  Connection connect_to(Socket listener);
  Connection connect_over_ipv4() { return connect_to(listen(any_ipv4_port)); }
  /// `count` connections, established at the same time; over IP if more than one.
  std::vector<Connection> connect_many(Socket listener, std::size_t count);
  /// Puts a socket under the care of the test, which closes it at the end.
  Socket keep(Socket socket);
  /// The opposite: it is closed, or will be.
  void forget(Socket socket) { std::erase(sockets_, socket); }

  Status send_all(Socket socket, std::string_view bytes);
  /// Until `count` bytes or the end have come; ends early on failure.
  std::string receive_some(Socket socket, std::size_t count);
  /// To the end of the stream.
  std::string receive_all(Socket socket) { return receive_some(socket, SIZE_MAX); }
  /// One receive.
  Status receive_status(Socket socket);
  Status shut_down(Socket socket);
  void close(Socket socket, CloseMode mode = CloseMode::orderly);

 private:
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<Loop> loop_;
  std::vector<Socket> sockets_;
  std::vector<Socket> listeners_;
};

/// Byte number `position` of a stream in which lost, doubled and swapped bytes show.
std::string pattern(std::size_t position, std::size_t count);

inline auto each_engine() {
  return testing::ValuesIn(all_engines());
}
inline std::string name_of_engine(const testing::TestParamInfo<EngineCase>& info) {
  return info.param.name;
}

}  // namespace portshare
