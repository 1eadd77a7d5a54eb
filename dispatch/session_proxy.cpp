// The PROXY protocol of a session: the header by which a proxy in front of us says whose connection this is,
// and the one by which we tell a server. docs/proxy-protocol.md has what an operator sees of it.
#include <cassert>
#include <chrono>
#include <string_view>
#include <utility>

#include "core/cursor.h"
#include "core/proxy_header.h"
#include "dispatch/session.h"
#include "dispatch/worker.h"

namespace portshare {

using std::chrono::microseconds;

namespace {

/// The protocol of a client that offers exactly one; otherwise the server will choose, and nobody knows yet.
std::string_view only_protocol(ByteView alpn) {
  Cursor list(alpn);
  const auto first = list.read_vector8();
  return first && list.at_end() ? as_text(*first) : std::string_view();
}

}  // namespace

// --- In ---

void Session::await_proxy_header() {
  // A unix socket has no address: who may open it is a matter of its permissions.
  const bool is_trusted = !source_ || listener().trusts(source_->address);
  if (is_trusted) {
    state_ = State::proxy_header;
    if (!take_place(std::nullopt)) return;
    watch_first_flight();
    return loop().receive(client_receive_, client_);
  }
  if (listener().proxy_header == ProxyHeaderPolicy::require) {
    return terminate(Outcome::denied, CloseMode::reset);
  }
  begin();
}

void Session::read_proxy_header(Op& op) {
  const bool is_silent = goes_to_silent_ && op.status == Status::cancelled;
  if (!op.succeeded() && !is_silent) return first_receive_failed(op.status);
  first_bytes_ = op.received();
  first_buffer_ = op.take_buffer();
  if (goes_to_silent_) return stayed_silent();
  if (first_bytes_.empty()) return ended_without_proxy_header();
  watch_rest_of_first_flight();

  // What may still become a header is kept where a first flight would be.
  const std::size_t kept = first_flight_ ? first_flight_->bytes().size() : 0;
  if (first_flight_) first_flight_->keep(first_bytes_);
  ProxyHeader header;
  switch (portshare::read_proxy_header(first_flight_ ? first_flight_->bytes() : first_bytes_, header)) {
    case Verdict::need_more:
      if (!first_flight_) {
        first_flight_ = worker_.first_flights().make(listener());
        first_flight_->keep(first_bytes_);
      }
      release_first_buffer();
      return loop().receive(client_receive_, client_);
    case Verdict::malformed:
      return refuse(Outcome::malformed);
    case Verdict::not_mine:
      if (listener().proxy_header == ProxyHeaderPolicy::require) return refuse(Outcome::malformed);
      return begin_with_kept_bytes();
    case Verdict::recognised:
      break;
  }
  if (header.family != ProxyHeader::Family::unspecified) {
    source_ = header.source;
    destination_ = header.destination;
  }
  // The rest is the client's own, and lies in the buffer: what was kept was not yet the whole header.
  bytes_in_ -= header.length;
  first_bytes_ = first_bytes_.subspan(header.length - kept);
  release_first_flight();
  if (first_bytes_.empty()) release_first_buffer();
  begin();
}

/// There is no header: all that has come is the client's own.
void Session::begin_with_kept_bytes() {
  if (first_flight_) {
    release_first_buffer();
    first_bytes_ = first_flight_->bytes();
  }
  begin();
}

void Session::ended_without_proxy_header() {
  client_ended_ = true;
  const bool is_required = listener().proxy_header == ProxyHeaderPolicy::require;
  if (first_flight_ && (is_required || begins_proxy_header(first_flight_->bytes()))) {
    return refuse(Outcome::malformed);
  }
  if (is_required) return terminate(Outcome::ok, CloseMode::orderly);  // to see whether the port is open
  begin_with_kept_bytes();
}

void Session::proxy_header_timed_out() {
  // Where a server may be the one to speak first, a client without a header is waiting for it.
  const bool may_be_silent = listener().silent_backend || !listener().reads_first_flight();
  if (first_flight_ || !may_be_silent || listener().proxy_header == ProxyHeaderPolicy::require) {
    return refuse(Outcome::timeout);
  }
  goes_to_silent_ = true;
  loop().cancel(client_receive_);
}

void Session::stayed_silent() {
  if (!listener().silent_backend) {
    goes_to_silent_ = false;  // it goes where everybody goes, and may have spoken by now
    return begin();
  }
  if (!admit()) return;
  if (refused_as_) return refuse(Outcome::timeout);
  go_to_silent_backend();
}

// --- Out ---

/// Of the next server, if its backend wants to know. The names in `query` are copied.
void Session::prepare_announcement(std::uint32_t backend, const RouteQuery& query) {
  const ProxyHeaderVersion version = snapshot_->config().backends[backend].proxy_header;
  if (version == ProxyHeaderVersion::off) return;
  assert(!announcement_);
  announcement_ = worker_.announcements().make();
  announcement_->header = version == ProxyHeaderVersion::v1
                              ? write_proxy_header_v1(source_, destination_, announcement_->space)
                              : write_proxy_header_v2(source_, destination_, query.name,
                                                      only_protocol(query.alpn), announcement_->space);
}

/// A server has just been connected, and has some of it.
void Session::announce(std::size_t sent_ahead) {
  state_ = State::announcing;
  announcement_->unsent = announcement_->header.subspan(sent_ahead);
  send_announcement();
}

void Session::send_announcement() {
  if (announcement_->unsent.empty()) {
    release_announcement();
    return start_relay(0);
  }
  // The time for the connect is also that for the header; it is over if the connect came in spite of that.
  if (!timer_.is_armed()) loop().arm(timer_, snapshot_->config().backends[backend_].connect_timeout);
  loop().send(server_send_, server_, announcement_->unsent);
}

void Session::announced(Op& op) {
  if (!op.succeeded()) {
    connect_time_ = microseconds{-1};
    return connect_failed(op.status);
  }
  announcement_->unsent = announcement_->unsent.subspan(op.count);
  send_announcement();
}

void Session::release_announcement() {
  if (announcement_) worker_.announcements().release(std::exchange(announcement_, nullptr));
}

}  // namespace portshare
