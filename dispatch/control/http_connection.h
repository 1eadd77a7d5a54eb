// One connection of the control server.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/timer_wheel.h"
#include "dispatch/control/http_message.h"
#include "dispatch/control/http_request_reader.h"
#include "platform/loop.h"

namespace portshare {

class HttpServer;

///     reading ──▶ answering ──▶ sending ──▶ reading, or lingering ──▶ terminating ──▶ closing
///                     └───────▶ streaming ───────────────────────────────▲
///
/// As with a Session, there is one way to end: terminate() cancels what is pending, and when all operations
/// have ended the socket is closed.
class HttpConnection {
 public:
  HttpConnection(HttpServer& server, Socket socket);
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  void start();
  void answer(const HttpResponse& response);
  void begin_stream(std::string_view first);
  void publish(const std::shared_ptr<const std::string>& event);
  /// The server stops: who waits for an answer gets it, who has begun to ask or has just come may ask, all
  /// others end now.
  void stop();
  void terminate();

  /// Of the request that waits for its answer; 0: none does.
  [[nodiscard]] std::uint64_t awaited_request() const { return awaited_request_; }
  [[nodiscard]] bool is_streaming() const { return state_ == State::streaming; }
  [[nodiscard]] bool is_ending() const { return state_ == State::terminating || state_ == State::closing; }
  /// Has had an answer, and waits for the next request.
  [[nodiscard]] bool is_idle() const { return state_ == State::reading && was_answered_ && input_.empty(); }
  /// How long it has been waiting for its client to send a request, to read its answer, or to have seen
  /// enough of a stream; none: the program is at work for it, or it is at its end.
  [[nodiscard]] std::optional<std::chrono::microseconds> waiting_time() const;

 private:
  enum class State : std::uint8_t {
    reading,
    answering,  ///< the handler has a request
    sending,
    streaming,
    lingering,  ///< waiting for the client to have read the last answer
    terminating,
    closing,
  };

  void received();
  void sent();
  void timed_out();
  void begin_waiting(State state);
  void read_requests();
  void wait_for_input();
  void send(std::shared_ptr<const std::string> bytes);
  void send_rest();
  void all_sent();
  void close_when_quiet();
  [[nodiscard]] Loop& loop() const;

  HttpServer& server_;
  Socket socket_;
  Op receive_;
  Op send_;  // also the close
  Timer timer_;
  State state_ = State::reading;
  std::chrono::microseconds waiting_since_{0};
  bool client_ended_ = false;
  bool closes_after_answer_ = false;
  bool was_answered_ = false;
  HttpRequestReader reader_;
  std::string input_;
  std::shared_ptr<const std::string> output_;  // shared by the streams of one event
  std::size_t output_sent_ = 0;
  std::size_t discarded_ = 0;  // bytes that came when nothing was asked for
  std::uint64_t awaited_request_ = 0;
};

}  // namespace portshare
