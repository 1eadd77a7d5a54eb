// A connection of the test server.
#pragma once

#include <cstdint>
#include <functional>

#include "bench/first_flight_end.h"
#include "bench/test_server.h"
#include "core/byte_view.h"
#include "platform/loop.h"
#include "platform/op.h"

namespace portshare {

/// What the connections of a thread share; immutable.
struct TestReplies {
  std::vector<std::uint8_t> raw;
  std::vector<std::uint8_t> http;
};
[[nodiscard]] TestReplies make_test_replies(const TestServerSettings& settings);

class TestConnection;

/// The thread that has the connections.
class TestConnectionOwner {
 public:
  virtual void finished(TestConnection& connection) = 0;

 protected:
  TestConnectionOwner() = default;
  virtual ~TestConnectionOwner() = default;
};

/// Belongs to its loop's thread.
class TestConnection {
 public:
  /// All are borrowed.
  TestConnection(Loop& loop, const TestServerSettings& settings, const TestReplies& replies,
                 TestConnectionOwner& owner, Socket socket);
  TestConnection(const TestConnection&) = delete;
  TestConnection& operator=(const TestConnection&) = delete;

  void start();
  /// Ends it soon.
  void stop();

  TestConnection* next = nullptr;  ///< the owner's list
  TestConnection* previous = nullptr;

 private:
  using Behaviour = TestServerSettings::Behaviour;

  void receive_completed();
  void send_completed();
  void received(ByteView bytes, std::uint8_t* buffer);
  void send(ByteView bytes);
  void end(CloseMode mode);

  Loop& loop_;
  const TestServerSettings& settings_;
  const TestReplies& replies_;
  TestConnectionOwner& owner_;
  Socket socket_;
  Op op_;  // receive, close
  Op send_op_;
  FirstFlightEnd first_flight_;
  ByteView unsent_;
  std::uint8_t* echoed_ = nullptr;  // the buffer of what is being echoed
  bool has_replied_ = false;
  bool is_ending_ = false;
  bool is_closing_ = false;
  CloseMode close_mode_ = CloseMode::orderly;
};

}  // namespace portshare
