// A small HTTP server on the project's own loop: what portshare is put in front of in the demo.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/pool.h"
#include "core/timer_wheel.h"
#include "dispatch/demo/http_conversation.h"
#include "dispatch/demo/tls_server.h"
#include "platform/loop.h"

namespace portshare {

class SampleApplication;

/// One connection of a sample application. It receives, answers all of that, and only then receives again:
/// one op serves for everything.
class SampleConnection {
 public:
  SampleConnection(SampleApplication& application, Socket socket);
  SampleConnection(const SampleConnection&) = delete;
  SampleConnection& operator=(const SampleConnection&) = delete;

  void start();
  /// Ends the connection soon.
  void stop();

  SampleConnection* next = nullptr;  ///< the application's list
  SampleConnection* previous = nullptr;

 private:
  void completed();
  void received();
  void sent();
  void answer(ByteView bytes);
  void go_on();

  SampleApplication& application_;
  Socket socket_;
  Op op_;
  HttpConversation http_;
  std::unique_ptr<TlsStream> tls_;  // null: in plain
  std::string to_send_;
  ByteView unsent_;
  bool is_ending_ = false;  // after to_send_ the end of the stream; what still comes is dropped
  bool is_stopping_ = false;
};

/// Accepts and answers. Belongs to the loop's thread; the listening socket and the TLS server are borrowed.
class SampleApplication {
 public:
  /// `tls`: null for plain HTTP.
  SampleApplication(Loop& loop, std::string name, Socket listener, const TlsServer* tls);
  SampleApplication(const SampleApplication&) = delete;
  SampleApplication& operator=(const SampleApplication&) = delete;

  void start();
  /// Stops accepting and ends all connections. `stopped` is called on the loop's thread when nothing is
  /// pending.
  void stop(std::function<void()> stopped);

 private:
  friend class SampleConnection;
  void accepted();
  void finished(SampleConnection& connection);
  void check_stopped();

  Loop& loop_;
  std::string name_;
  Socket listener_;
  const TlsServer* tls_;
  Op accept_;
  Timer retry_;
  Pool<SampleConnection> connections_;
  SampleConnection* first_connection_ = nullptr;
  bool is_stopping_ = false;
  std::function<void()> stopped_;
};

}  // namespace portshare
