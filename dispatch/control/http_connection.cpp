#include "dispatch/control/http_connection.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cassert>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <utility>

#include "core/byte_view.h"
#include "dispatch/control/http_server.h"

namespace portshare {

namespace {

// As long as a client gets to read the last answer and to close.
constexpr std::chrono::milliseconds linger_timeout{2'000};
// What a client may send that nobody reads.
constexpr std::size_t discard_limit = std::size_t{256} * 1024;

std::string date() {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::time(nullptr)));
}

/// What all answers have. Nothing here is for other sites or for caches.
std::string head_of(unsigned status, std::string_view content_type) {
  return fmt::format(
      "HTTP/1.1 {}\r\nDate: {}\r\nContent-Type: {}\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\n",
      status_line_of(status), date(), content_type);
}

}  // namespace

HttpConnection::HttpConnection(HttpServer& server, Socket socket)
    : server_(server),
      socket_(socket),
      receive_([](Op&, void* connection) { static_cast<HttpConnection*>(connection)->received(); }, this),
      send_([](Op&, void* connection) { static_cast<HttpConnection*>(connection)->sent(); }, this),
      timer_([](void* connection) { static_cast<HttpConnection*>(connection)->timed_out(); }, this),
      reader_(server.options().hosts) {}

Loop& HttpConnection::loop() const {
  return server_.loop();
}

/// From now on, in this state, it is the client's turn.
void HttpConnection::begin_waiting(State state) {
  state_ = state;
  waiting_since_ = loop().now();
}

std::optional<std::chrono::microseconds> HttpConnection::waiting_time() const {
  switch (state_) {
    case State::reading:
    case State::sending:
    case State::streaming:
    case State::lingering:
      return loop().now() - waiting_since_;
    case State::answering:
    case State::terminating:
    case State::closing:
      return std::nullopt;
  }
  std::abort();
}

void HttpConnection::start() {
  begin_waiting(State::reading);
  loop().arm(timer_, server_.options().request_timeout);
  wait_for_input();
}

void HttpConnection::wait_for_input() {
  if (receive_.is_idle() && !client_ended_) loop().receive(receive_, socket_);
}

void HttpConnection::received() {
  const std::string bytes(as_text(receive_.received()));
  if (std::uint8_t* buffer = receive_.take_buffer()) loop().buffers().release(buffer);
  const bool failed = !receive_.succeeded();
  client_ended_ = client_ended_ || failed || bytes.empty();
  switch (state_) {
    case State::reading:
      if (client_ended_) return terminate();
      if (is_idle()) {
        begin_waiting(State::reading);
        loop().arm(timer_, server_.options().request_timeout);
      }
      input_.append(bytes);
      return read_requests();
    case State::answering:
    case State::sending:
      // The next request may be here already. More than one is not read ahead.
      input_.append(bytes);
      if (failed) return terminate();
      if (input_.size() <= HttpRequestReader::head_limit) wait_for_input();
      return;
    case State::streaming:
    case State::lingering:
      discarded_ += bytes.size();
      if (client_ended_ || discarded_ > discard_limit) return terminate();
      return wait_for_input();
    case State::terminating:
      return close_when_quiet();
    case State::closing:
      std::abort();
  }
}

void HttpConnection::read_requests() {
  switch (reader_.read(input_)) {
    case HttpRequestReader::Progress::need_more:
      if (client_ended_) return terminate();
      return wait_for_input();
    case HttpRequestReader::Progress::complete:
      closes_after_answer_ = !reader_.keep_alive();
      state_ = State::answering;
      loop().cancel(timer_);
      awaited_request_ = server_.next_request();
      wait_for_input();
      return server_.handle(reader_.request(), awaited_request_);
    case HttpRequestReader::Progress::refused:
      closes_after_answer_ = true;
      state_ = State::answering;
      return answer(reader_.refusal());
  }
}

void HttpConnection::answer(const HttpResponse& response) {
  assert(state_ == State::answering);
  awaited_request_ = 0;
  begin_waiting(State::sending);
  if (server_.is_stopping()) closes_after_answer_ = true;
  std::string bytes = head_of(response.status, response.content_type);
  fmt::format_to(std::back_inserter(bytes), "Content-Length: {}\r\nConnection: {}\r\n{}\r\n",
                 response.body.size(), closes_after_answer_ ? "close" : "keep-alive", response.fields);
  if (!reader_.is_head()) bytes.append(response.body);
  send(std::make_shared<const std::string>(std::move(bytes)));
}

void HttpConnection::begin_stream(std::string_view first) {
  assert(state_ == State::answering);
  if (reader_.is_head()) return answer({.content_type = "text/event-stream", .body = {}, .fields = {}});
  awaited_request_ = 0;
  begin_waiting(State::streaming);
  std::string bytes = head_of(200, "text/event-stream");
  bytes.append("Connection: close\r\n\r\n").append(first);
  send(std::make_shared<const std::string>(std::move(bytes)));
  wait_for_input();  // to notice when the client goes
}

void HttpConnection::publish(const std::shared_ptr<const std::string>& event) {
  if (state_ == State::streaming && !output_) send(event);
}

void HttpConnection::send(std::shared_ptr<const std::string> bytes) {
  output_ = std::move(bytes);
  output_sent_ = 0;
  loop().arm(timer_, server_.options().send_timeout);
  send_rest();
}

void HttpConnection::send_rest() {
  loop().send(send_, socket_, as_bytes(*output_).subspan(output_sent_));
}

void HttpConnection::sent() {
  if (state_ == State::closing) return server_.finished(*this);
  if (state_ == State::terminating) return close_when_quiet();
  if (!send_.succeeded()) return terminate();
  if (state_ == State::lingering) return wait_for_input();  // the end of our stream is out
  output_sent_ += send_.count;
  if (output_sent_ < output_->size()) return send_rest();
  output_ = nullptr;
  all_sent();
}

void HttpConnection::all_sent() {
  if (state_ == State::streaming) return loop().cancel(timer_);
  assert(state_ == State::sending);
  if (closes_after_answer_) {
    begin_waiting(State::lingering);
    loop().arm(timer_, linger_timeout);
    if (client_ended_) return terminate();
    return loop().shutdown(send_, socket_);
  }
  begin_waiting(State::reading);
  was_answered_ = true;
  loop().arm(timer_, input_.empty() ? server_.options().idle_timeout : server_.options().request_timeout);
  if (!input_.empty()) return read_requests();
  if (client_ended_) return terminate();
  wait_for_input();
  server_.became_idle();
}

void HttpConnection::timed_out() {
  terminate();
}

void HttpConnection::stop() {
  switch (state_) {
    case State::reading:
      if (is_idle()) terminate();
      return;
    case State::streaming:
      return terminate();
    case State::answering:
    case State::sending:
      closes_after_answer_ = true;
      return;
    case State::lingering:
    case State::terminating:
    case State::closing:
      return;
  }
}

void HttpConnection::terminate() {
  if (state_ == State::terminating || state_ == State::closing) return;
  state_ = State::terminating;
  awaited_request_ = 0;
  loop().cancel(timer_);
  loop().cancel(receive_);
  loop().cancel(send_);
  close_when_quiet();
}

void HttpConnection::close_when_quiet() {
  if (!receive_.is_idle() || !send_.is_idle()) return;
  state_ = State::closing;
  // A client that has not read its answer must not hold what the system keeps of it.
  loop().close(send_, socket_, output_ ? CloseMode::reset : CloseMode::orderly);
}

}  // namespace portshare
