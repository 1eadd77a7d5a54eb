#include "bench/test_connection.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace portshare {
namespace {

constexpr std::size_t source_block_size = std::size_t{256} * 1024;
constexpr std::uint8_t filler = 'x';

}  // namespace

TestReplies make_test_replies(const TestServerSettings& settings) {
  TestReplies replies;
  const bool is_source = settings.behaviour == TestServerSettings::Behaviour::source;
  replies.raw.resize(is_source ? source_block_size : settings.reply_bytes, filler);
  const std::string head = fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: {}\r\n\r\n",
      settings.reply_bytes, settings.keeps_connections ? "keep-alive" : "close");
  replies.http.assign(head.begin(), head.end());
  replies.http.resize(head.size() + settings.reply_bytes, filler);
  return replies;
}

TestConnection::TestConnection(Loop& loop, const TestServerSettings& settings, const TestReplies& replies,
                               TestConnectionOwner& owner, Socket socket)
    : loop_(loop),
      settings_(settings),
      replies_(replies),
      owner_(owner),
      socket_(socket),
      op_([](Op&, void* connection) { static_cast<TestConnection*>(connection)->receive_completed(); }, this),
      send_op_([](Op&, void* connection) { static_cast<TestConnection*>(connection)->send_completed(); },
               this) {}

void TestConnection::start() {
  loop_.receive(op_, socket_);
  if (settings_.behaviour == Behaviour::source) send(replies_.raw);
}

void TestConnection::stop() {
  if (!is_ending_) end(CloseMode::reset);
}

void TestConnection::send(ByteView bytes) {
  unsent_ = bytes;
  if (bytes.empty()) return send_completed();
  loop_.send(send_op_, socket_, bytes);
}

void TestConnection::receive_completed() {
  if (is_closing_) return owner_.finished(*this);
  const ByteView bytes = op_.received();
  std::uint8_t* buffer = op_.take_buffer();
  if (is_ending_ || !op_.succeeded()) {
    if (buffer) loop_.buffers().release(buffer);
    return end(is_ending_ ? close_mode_ : CloseMode::reset);
  }
  if (!buffer) return end(CloseMode::orderly);
  received(bytes, buffer);
}

void TestConnection::received(ByteView bytes, std::uint8_t* buffer) {
  if (settings_.behaviour == Behaviour::echo) {
    // Received again when it is all out, which is the client's back-pressure.
    echoed_ = buffer;
    return send(bytes);
  }
  const bool replies_now =
      settings_.behaviour == Behaviour::reply && !has_replied_ && first_flight_.take(bytes);
  loop_.buffers().release(buffer);
  // Before a close there is nothing to receive that could change anything; a client that goes makes the send
  // fail.
  if (!replies_now || settings_.keeps_connections) loop_.receive(op_, socket_);
  if (!replies_now) return;
  has_replied_ = true;
  send(first_flight_.is_http() ? replies_.http : replies_.raw);
}

void TestConnection::send_completed() {
  if (is_ending_ || !send_op_.succeeded()) return end(is_ending_ ? close_mode_ : CloseMode::reset);
  unsent_ = unsent_.subspan(unsent_.empty() ? 0 : send_op_.count);
  if (!unsent_.empty()) return loop_.send(send_op_, socket_, unsent_);
  switch (settings_.behaviour) {
    case Behaviour::echo:
      loop_.buffers().release(std::exchange(echoed_, nullptr));
      loop_.receive(op_, socket_);
      return;
    case Behaviour::source:
      return send(replies_.raw);
    case Behaviour::reply:
      if (!settings_.keeps_connections) end(CloseMode::orderly);
      return;
    case Behaviour::sink:
      return;
  }
}

void TestConnection::end(CloseMode mode) {
  is_ending_ = true;
  close_mode_ = mode;
  loop_.cancel(op_);
  loop_.cancel(send_op_);
  if (!op_.is_idle() || !send_op_.is_idle()) return;
  if (echoed_) loop_.buffers().release(std::exchange(echoed_, nullptr));
  is_closing_ = true;
  loop_.close(op_, socket_, mode);
}

}  // namespace portshare
