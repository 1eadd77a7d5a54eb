#include "dispatch/health_check.h"

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <optional>
#include <string_view>
#include <utility>

#include "core/proxy_header.h"
#include "core/tls_probe.h"

namespace portshare {

namespace {

using Kind = HealthConfig::Kind;

// A head that is longer is none that a check has to wait for.
constexpr std::size_t longest_answer = std::size_t{64} * 1024;

void append(std::vector<std::uint8_t>& bytes, ByteView more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}
ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// The header without addresses, by which a proxy says that a connection is its own.
void append_proxy_header(std::vector<std::uint8_t>& request, ProxyHeaderVersion version) {
  if (version == ProxyHeaderVersion::off) return;
  std::array<std::uint8_t, max_written_proxy_header_length> space;
  append(request, version == ProxyHeaderVersion::v1
                      ? write_proxy_header_v1(std::nullopt, std::nullopt, space)
                      : write_proxy_header_v2(std::nullopt, std::nullopt, {}, {}, space));
}

std::vector<std::uint8_t> request_for(const HealthQuestion& question, Random& random) {
  std::vector<std::uint8_t> request;
  if (question.health.kind == Kind::tcp) return request;
  append_proxy_header(request, question.proxy_header);
  if (question.health.kind == Kind::tls) {
    append(request, write_probe_hello(question.host, random));
    return request;
  }
  append(request, bytes_of(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: portshare-health\r\n"
                                       "Accept: */*\r\nConnection: close\r\n\r\n",
                                       question.health.path, question.host_field)));
  return request;
}

}  // namespace

HealthCheck::HealthCheck(Loop& loop, Random random, std::function<void(const Result&)> done)
    : loop_(loop),
      random_(random),
      done_(std::move(done)),
      op_([](Op&, void* self) { static_cast<HealthCheck*>(self)->op_ended(); }, this),
      timer_([](void* self) { static_cast<HealthCheck*>(self)->timed_out(); }, this) {}

HealthCheck::~HealthCheck() {
  assert(!is_running_);
}

void HealthCheck::start(HealthQuestion question) {
  assert(!is_running_);
  is_running_ = true;
  is_judged_ = is_stopped_ = false;
  question_ = std::move(question);
  request_ = request_for(question_, random_);
  sent_ = 0;
  answer_.clear();
  http_ = HttpResponseHeadReader();
  started_at_ = loop_.now();
  loop_.arm(timer_, question_.health.timeout);
  loop_.connect(op_, question_.address, {.bytes = request_});
}

void HealthCheck::stop() {
  if (!is_running_ || is_stopped_) return;
  is_stopped_ = true;
  finish(std::nullopt);
}

void HealthCheck::timed_out() {
  const auto limit = question_.health.timeout.count();
  if (op_.kind == Op::Kind::connect) return finish(false, fmt::format("connect: no answer in {} ms", limit));
  finish(false, fmt::format("no {} in {} ms",
                            question_.health.kind == Kind::tls ? "ServerHello" : "HTTP response", limit));
}

void HealthCheck::op_ended() {
  if (op_.kind == Op::Kind::close) return over();
  if (op_.kind == Op::Kind::connect && op_.succeeded()) socket_ = op_.socket;
  if (op_.kind == Op::Kind::receive) {
    append(answer_, op_.received());
    if (std::uint8_t* buffer = op_.take_buffer()) loop_.buffers().release(buffer);
  }
  if (is_judged_) return close();
  switch (op_.kind) {
    case Op::Kind::connect:
      sent_ = op_.count;
      return connected();
    case Op::Kind::send:
      if (!op_.succeeded()) return fail("send", op_.status);
      sent_ += op_.count;
      return send_more();
    default:
      return received();
  }
}

void HealthCheck::connected() {
  if (!op_.succeeded()) return fail("connect", op_.status);
  // A port from which connections go out may be that of this very connection (RFC 9293, 3.5).
  if (question_.address.ip && loop_.backend().local_endpoint(socket_) == question_.address.ip) {
    return fail("connect", Status::refused);
  }
  if (request_.empty()) return finish(true, {});
  send_more();
}

void HealthCheck::send_more() {
  if (sent_ < request_.size()) return loop_.send(op_, socket_, ByteView(request_).subspan(sent_));
  loop_.receive(op_, socket_);
}

void HealthCheck::received() {
  if (!op_.succeeded()) return fail("receive", op_.status);
  if (op_.count == 0)
    return finish(false, answer_.empty() ? "closed without an answer" : "answer is cut off");
  question_.health.kind == Kind::tls ? judge_tls() : judge_http();
}

void HealthCheck::judge_http() {
  HttpResponseHead head;
  switch (http_.read(answer_, head)) {
    case Verdict::need_more:
      if (answer_.size() > longest_answer) return finish(false, "the head of the response is too long");
      return loop_.receive(op_, socket_);
    case Verdict::recognised:
      break;
    case Verdict::malformed:
    case Verdict::not_mine:
      return finish(false, "the answer is not HTTP");
  }
  if (head.is_interim) {
    answer_.erase(answer_.begin(), answer_.begin() + static_cast<std::ptrdiff_t>(head.length));
    http_ = HttpResponseHeadReader();
    return answer_.empty() ? loop_.receive(op_, socket_) : judge_http();
  }
  const HealthConfig& health = question_.health;
  const bool is_expected = head.status >= health.lowest_status && head.status <= health.highest_status;
  finish(is_expected, is_expected ? std::string() : fmt::format("HTTP status {}", head.status));
}

void HealthCheck::judge_tls() {
  const TlsProbeAnswer answer = read_probe_answer(answer_);
  switch (answer.kind) {
    case TlsProbeAnswer::Kind::need_more:
      return loop_.receive(op_, socket_);
    case TlsProbeAnswer::Kind::server_hello:
      return finish(true, {});
    case TlsProbeAnswer::Kind::alert:
      return finish(false, fmt::format("TLS alert {}", answer.alert));
    case TlsProbeAnswer::Kind::not_tls:
      return finish(false, "the answer is not TLS");
  }
}

void HealthCheck::fail(std::string_view what, Status status) {
  if (!is_peers_fault(status)) return finish(std::nullopt);
  finish(false, fmt::format("{}: {}", what, to_string(status)));
}

void HealthCheck::finish(bool succeeded, std::string reason) {
  finish(ServerState::CheckResult{
      .succeeded = succeeded, .reason = std::move(reason), .duration = loop_.now() - started_at_});
}

void HealthCheck::finish(Result result) {
  if (!std::exchange(is_judged_, true)) result_ = std::move(result);
  loop_.cancel(timer_);
  if (op_.is_idle()) return close();
  loop_.cancel(op_);
}

void HealthCheck::close() {
  if (socket_ == Socket::none) return over();
  loop_.close(op_, std::exchange(socket_, Socket::none), CloseMode::orderly);
}

void HealthCheck::over() {
  is_running_ = false;
  if (!is_stopped_) done_(result_);
}

}  // namespace portshare
