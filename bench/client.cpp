#include "bench/client.h"

#include <cassert>
#include <utility>

namespace portshare {

Client::Client(LoadContext& context)
    : context_(context),
      op_([](Op&, void* client) { static_cast<Client*>(client)->receive_completed(); }, this),
      send_op_([](Op&, void* client) { static_cast<Client*>(client)->send_completed(); }, this),
      timeout_([](void* client) { static_cast<Client*>(client)->fail(ErrorKind::timeout); }, this),
      room_(context.first_bytes.most_bytes()) {}

void Client::open(nanoseconds start) {
  assert(state_ == State::idle);
  state_ = State::connecting;
  start_ = start;
  const std::uint64_t number = context_.take_number();
  first_bytes_ = context_.first_bytes.compose(number, context_.random, room_);
  context_.loop.connect(op_, context_.target(number));
  restart_timeout();
}

void Client::abandon() {
  if (state_ != State::idle && state_ != State::ending && state_ != State::closing) close(CloseMode::reset);
}

void Client::connected() {
  state_ = State::greeting;
  if (first_bytes_.empty()) {
    state_ = State::open;
    opened();
  } else {
    send(first_bytes_);
  }
}

void Client::send(ByteView bytes) {
  unsent_ = bytes;
  context_.loop.send(send_op_, socket_, bytes);
}

void Client::fail(ErrorKind kind) {
  failed(kind);
  close(CloseMode::reset);
}

void Client::close(CloseMode mode) {
  assert(state_ != State::idle && state_ != State::ending && state_ != State::closing);
  state_ = State::ending;
  close_mode_ = mode;
  stop_timeout();
  context_.loop.cancel(op_);
  context_.loop.cancel(send_op_);
  close_when_quiet();
}

void Client::close_when_quiet() {
  if (!op_.is_idle() || !send_op_.is_idle()) return;
  if (socket_ == Socket::none) {
    state_ = State::idle;
    closed();
    return;
  }
  state_ = State::closing;
  context_.loop.close(op_, std::exchange(socket_, Socket::none), close_mode_);
}

void Client::connect_completed() {
  socket_ = op_.socket;
  if (state_ == State::ending) return close_when_quiet();
  if (!op_.succeeded()) return fail(error_of(op_));
  statistics().connect.record(as_count(clock_now() - start_));
  connected();
}

void Client::receive_completed() {
  if (op_.kind == Op::Kind::connect) return connect_completed();
  if (state_ == State::closing) {
    state_ = State::idle;
    return closed();
  }
  const ByteView bytes = op_.received();
  std::uint8_t* buffer = op_.take_buffer();
  if (state_ == State::ending) {
    close_when_quiet();
  } else if (!op_.succeeded()) {
    fail(error_of(op_));
  } else if (!buffer) {
    ended();
  } else {
    statistics().bytes_received += bytes.size();
    received(bytes);
  }
  if (buffer) context_.loop.buffers().release(buffer);
}

void Client::send_completed() {
  if (state_ == State::ending) return close_when_quiet();
  if (!send_op_.succeeded()) return fail(error_of(send_op_));
  statistics().bytes_sent += send_op_.count;
  unsent_ = unsent_.subspan(send_op_.count);
  if (!unsent_.empty()) return context_.loop.send(send_op_, socket_, unsent_);
  if (state_ == State::greeting) {
    state_ = State::open;
    opened();
  } else {
    sent();
  }
}

}  // namespace portshare
