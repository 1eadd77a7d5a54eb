#include "dispatch/demo/sample_application.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

namespace portshare {
namespace {

/// How long to wait after an accept that failed: what it lacked may come back.
constexpr std::chrono::milliseconds retry_accept_after{100};

}  // namespace

SampleConnection::SampleConnection(SampleApplication& application, Socket socket)
    : application_(application),
      socket_(socket),
      op_([](Op&, void* connection) { static_cast<SampleConnection*>(connection)->completed(); }, this),
      http_(application.name_) {
  if (application.tls_) tls_ = std::make_unique<TlsStream>(*application.tls_);
}

void SampleConnection::start() {
  application_.loop_.receive(op_, socket_);
}

void SampleConnection::stop() {
  is_stopping_ = true;
  application_.loop_.cancel(op_);
}

void SampleConnection::completed() {
  if (op_.kind == Op::Kind::close) {
    application_.finished(*this);
    return;
  }
  const bool is_end_of_stream = op_.kind == Op::Kind::receive && op_.count == 0;
  if (!op_.succeeded() || is_end_of_stream || is_stopping_) {
    if (std::uint8_t* buffer = op_.take_buffer()) application_.loop_.buffers().release(buffer);
    application_.loop_.close(op_, socket_, CloseMode::orderly);
    return;
  }
  if (op_.kind == Op::Kind::receive) {
    received();
  } else if (op_.kind == Op::Kind::send) {
    sent();
  } else {
    application_.loop_.receive(op_, socket_);  // after a shutdown: until the client ends, too
  }
}

void SampleConnection::received() {
  const bool was_ending = is_ending_;
  if (!was_ending) answer(op_.received());
  application_.loop_.buffers().release(op_.take_buffer());
  if (was_ending) {
    application_.loop_.receive(op_, socket_);
  } else {
    go_on();
  }
}

void SampleConnection::answer(ByteView bytes) {
  to_send_.clear();
  if (tls_) {
    std::string requests;
    std::string answers;
    const bool is_open = tls_->receive(bytes, requests, to_send_);
    http_.take(as_bytes(requests), answers);
    if (is_open && !answers.empty()) tls_->send(answers, to_send_);
    is_ending_ = !is_open || http_.is_over();
    if (is_open && is_ending_) tls_->end(to_send_);
  } else {
    http_.take(bytes, to_send_);
    is_ending_ = http_.is_over();
  }
  unsent_ = as_bytes(to_send_);
}

void SampleConnection::sent() {
  unsent_ = unsent_.subspan(op_.count);
  go_on();
}

void SampleConnection::go_on() {
  if (!unsent_.empty()) {
    application_.loop_.send(op_, socket_, unsent_);
  } else if (is_ending_) {
    application_.loop_.shutdown(op_, socket_);
  } else {
    application_.loop_.receive(op_, socket_);
  }
}

SampleApplication::SampleApplication(Loop& loop, std::string name, Socket listener, const TlsServer* tls)
    : loop_(loop),
      name_(std::move(name)),
      listener_(listener),
      tls_(tls),
      accept_([](Op&, void* application) { static_cast<SampleApplication*>(application)->accepted(); }, this),
      retry_([](void* application) { static_cast<SampleApplication*>(application)->start(); }, this) {}

void SampleApplication::start() {
  loop_.accept(accept_, listener_);
}

void SampleApplication::accepted() {
  if (accept_.succeeded()) {
    SampleConnection* connection = connections_.make(*this, accept_.socket);
    connection->next = first_connection_;
    if (first_connection_) first_connection_->previous = connection;
    first_connection_ = connection;
    connection->start();
    if (is_stopping_) connection->stop();
  }
  if (is_stopping_) {
    check_stopped();
  } else if (accept_.succeeded()) {
    start();
  } else {
    spdlog::warn("sample application '{}': accept: {}", name_, to_string(accept_.status));
    loop_.arm(retry_, retry_accept_after);
  }
}

void SampleApplication::finished(SampleConnection& connection) {
  if (connection.next) connection.next->previous = connection.previous;
  (connection.previous ? connection.previous->next : first_connection_) = connection.next;
  connections_.release(&connection);
  check_stopped();
}

void SampleApplication::stop(std::function<void()> stopped) {
  is_stopping_ = true;
  stopped_ = std::move(stopped);
  loop_.cancel(retry_);
  loop_.cancel(accept_);
  for (SampleConnection* each = first_connection_; each; each = each->next) each->stop();
  check_stopped();
}

void SampleApplication::check_stopped() {
  if (!is_stopping_ || !accept_.is_idle() || connections_.in_use() > 0) return;
  if (stopped_) std::exchange(stopped_, nullptr)();
}

}  // namespace portshare
