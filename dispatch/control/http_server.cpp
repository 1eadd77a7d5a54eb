#include "dispatch/control/http_server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "dispatch/control/http_connection.h"

namespace portshare {

namespace {

// Before accepting is tried again after a shortage of descriptors, say.
constexpr std::chrono::milliseconds retry_accept_after{500};
// What a client has to send its request, or to read its answer, before a new one may have its place.
constexpr std::chrono::milliseconds grace{1'000};
// How long answers that are under way may take when the server stops.
constexpr std::chrono::milliseconds stop_timeout{2'000};

}  // namespace

void HttpReply::send(const HttpResponse& response) const {
  if (HttpConnection* connection = server_->awaiting(request_)) connection->answer(response);
}

void HttpReply::stream(std::string_view first) const {
  if (HttpConnection* connection = server_->awaiting(request_)) connection->begin_stream(first);
}

bool HttpReply::is_awaited() const {
  return server_->awaiting(request_) != nullptr;
}

HttpServer::HttpServer(Loop& loop, Socket listener, HttpServerOptions options, Handler handler)
    : loop_(loop),
      listener_(listener),
      options_(options),
      handler_(std::move(handler)),
      accept_([](Op&, void* server) { static_cast<HttpServer*>(server)->accepted(); }, this),
      timer_([](void* server) { static_cast<HttpServer*>(server)->timer_fired(); }, this) {}

HttpServer::~HttpServer() {
  assert(connections_.empty() && accept_.is_idle());
  loop_.cancel(timer_);
}

void HttpServer::start() {
  accept_next();
}

void HttpServer::accept_next() {
  if (stopping_ || !accept_.is_idle()) return;
  if (connections_.size() >= options_.most_connections) make_room();
  if (connections_.size() < options_.most_connections) return loop_.accept(accept_, listener_);
  loop_.arm(timer_, retry_accept_after);  // somebody may have waited long enough by then
}

/// A connection between two requests goes, or else the one that waits for its client longest; its end calls
/// accept_next() again.
void HttpServer::make_room() {
  HttpConnection* longest = nullptr;
  for (const auto& connection : connections_) {
    if (connection->is_ending()) return;
    const auto time = connection->waiting_time();
    const bool may_go = time && (connection->is_idle() || connection->is_streaming() || *time >= grace);
    if (!may_go) continue;
    const auto rank = [](const HttpConnection& each) {
      return std::pair(each.is_idle(), *each.waiting_time());
    };
    if (longest == nullptr || rank(*connection) > rank(*longest)) longest = connection.get();
  }
  if (longest != nullptr) longest->terminate();
}

void HttpServer::accepted() {
  if (accept_.succeeded()) {
    accept_failed_ = false;
    connections_.push_back(std::make_unique<HttpConnection>(*this, accept_.socket));
    connections_.back()->start();
    if (stopping_) connections_.back()->stop();
  } else if (accept_.status != Status::cancelled) {
    if (!std::exchange(accept_failed_, true)) {
      spdlog::warn("admin and monitor: cannot accept: {}; trying again", to_string(accept_.status));
    }
    loop_.arm(timer_, retry_accept_after);
    return;
  }
  if (stopping_) return check_stopped();
  accept_next();
}

void HttpServer::finished(HttpConnection& connection) {
  const auto place = std::ranges::find_if(
      connections_, [&](const auto& candidate) { return candidate.get() == &connection; });
  assert(place != connections_.end());
  connections_.erase(place);
  if (stopping_) return check_stopped();
  accept_next();
}

HttpConnection* HttpServer::awaiting(std::uint64_t request) const {
  const auto place = std::ranges::find_if(
      connections_, [&](const auto& connection) { return connection->awaited_request() == request; });
  return place == connections_.end() ? nullptr : place->get();
}

void HttpServer::publish(std::string event) {
  const auto shared = std::make_shared<const std::string>(std::move(event));
  for (const auto& connection : connections_) connection->publish(shared);
}

std::size_t HttpServer::stream_count() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(connections_, [](const auto& connection) { return connection->is_streaming(); }));
}

void HttpServer::stop(std::function<void()> stopped) {
  assert(!stopping_);
  stopping_ = true;
  stopped_ = std::move(stopped);
  loop_.cancel(timer_);
  loop_.cancel(accept_);
  for (const auto& connection : connections_) connection->stop();
  loop_.arm(timer_, stop_timeout);
  check_stopped();
}

void HttpServer::timer_fired() {
  if (!stopping_) return accept_next();
  for (const auto& connection : connections_) connection->terminate();
}

void HttpServer::check_stopped() {
  if (connections_.empty() && accept_.is_idle() && stopped_) std::exchange(stopped_, nullptr)();
}

}  // namespace portshare
