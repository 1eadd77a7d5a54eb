// A small HTTP/1.1 server on a loop, for the admin socket and the monitor address.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/timer_wheel.h"
#include "dispatch/control/http_message.h"
#include "dispatch/control/http_request_reader.h"
#include "platform/loop.h"

namespace portshare {

class HttpConnection;
class HttpServer;

/// The place to which the answer of one request goes. It may be kept and answered later, on the loop's
/// thread, as long as the server lives; an answer for a client that has gone is thrown away. To be answered
/// once, in one of the two ways. A client without an answer keeps its connection.
class HttpReply {
 public:
  HttpReply(HttpServer& server, std::uint64_t request) : server_(&server), request_(request) {}

  void send(const HttpResponse& response) const;
  /// Begins a stream of events (text/event-stream, WHATWG HTML, 9.2): `first` at once, then each that is
  /// published.
  void stream(std::string_view first) const;
  /// The client waits for the answer.
  [[nodiscard]] bool is_awaited() const;

 private:
  HttpServer* server_;
  std::uint64_t request_;
};

struct HttpServerOptions {
  std::size_t most_connections = 64;
  HostPolicy hosts = HostPolicy::any;
  std::chrono::milliseconds request_timeout{
      10'000};  ///< of the first from the accept, of others from the first byte
  std::chrono::milliseconds idle_timeout{60'000};  ///< between requests
  std::chrono::milliseconds send_timeout{20'000};  ///< for the whole of an answer, or of one event
};

/// A client costs its own connection and nothing more: what it sends is bounded by HttpRequestReader's
/// limits, what it does not read by one answer or one event. When all connections are taken, one gives way to
/// a new one: one between two requests, or else a stream or one whose client has taken more than a second to
/// send or to read. Only where the program is at work for all of them does the new one wait to be accepted.
/// Everything on the loop's thread.
class HttpServer {
 public:
  using Handler = std::function<void(const HttpRequest&, HttpReply)>;

  /// `listener` is only borrowed, and must stay open until the server has stopped.
  HttpServer(Loop& loop, Socket listener, HttpServerOptions options, Handler handler);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  /// Nothing may be pending: stopped, or never started.
  ~HttpServer();

  void start();
  /// Accepts no more, and closes what waits for a further request or streams. Clients that have not had an
  /// answer get a moment to ask, and answers that are on their way to go out. `stopped`
  /// is called when the last connection has gone, maybe before this returns; the server may be destroyed
  /// then.
  void stop(std::function<void()> stopped);

  /// Sends an event to all streams. One whose client has not read the last one yet misses it. `event` is
  /// whole, with its empty line.
  void publish(std::string event);
  [[nodiscard]] std::size_t stream_count() const;
  [[nodiscard]] std::size_t connection_count() const { return connections_.size(); }

  // For connections.
  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] const HttpServerOptions& options() const { return options_; }
  [[nodiscard]] bool is_stopping() const { return stopping_; }
  /// The number by which the reply of the next request is known.
  [[nodiscard]] std::uint64_t next_request() { return ++last_request_; }
  void handle(const HttpRequest& request, std::uint64_t number) {
    handler_(request, HttpReply(*this, number));
  }
  /// A connection waits for its next request: it may have to give way.
  void became_idle() { accept_next(); }
  /// The connection is gone after this.
  void finished(HttpConnection& connection);

 private:
  friend class HttpReply;
  [[nodiscard]] HttpConnection* awaiting(std::uint64_t request) const;
  void accept_next();
  void accepted();
  void make_room();
  void timer_fired();
  void check_stopped();

  Loop& loop_;
  Socket listener_;
  HttpServerOptions options_;
  Handler handler_;
  Op accept_;
  Timer timer_;                                               // to accept again, or of the end
  std::vector<std::unique_ptr<HttpConnection>> connections_;  // the oldest first
  std::uint64_t last_request_ = 0;
  bool accept_failed_ = false;  // and that was said
  bool stopping_ = false;
  std::function<void()> stopped_;
};

}  // namespace portshare
