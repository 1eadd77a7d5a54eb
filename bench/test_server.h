// The server behind `portshare-bench serve`: what a proxy's, or our own, measurement needs at the other end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "core/socket_address.h"
#include "platform/engine.h"

namespace portshare {

struct TestServerSettings {
  enum class Behaviour : std::uint8_t {
    reply,   ///< answers the first bytes with `reply_bytes`, in HTTP where it was asked in HTTP
    echo,    ///< sends back what comes
    source,  ///< sends for as long as the client reads, and drops what comes
    sink,    ///< drops what comes
  };
  std::vector<SocketAddress> listen = {};  ///< port 0: the system chooses
  Behaviour behaviour = Behaviour::reply;
  std::size_t reply_bytes = 1024;
  bool keeps_connections = false;  ///< reply: does not close after it
  Engine engine = Engine::io_uring;
  unsigned threads = 1;
};

/// Runs on threads of its own, for as long as it lives. For the thread that made it.
class TestServer {
 public:
  /// It listens when this returns. The error is a sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<TestServer>, std::string> start(
      TestServerSettings settings);
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  /// Ends all connections.
  ~TestServer();

  /// Where it listens, in the order of the settings.
  [[nodiscard]] const std::vector<SocketAddress>& addresses() const { return addresses_; }

 private:
  class Thread;
  explicit TestServer(TestServerSettings settings);
  std::expected<void, std::string> listen();

  TestServerSettings settings_;
  std::vector<Socket> sockets_;
  std::vector<SocketAddress> addresses_;
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace portshare
