// Requests and responses on a connection that carries HTTP/1, one pair at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/http_body.h"
#include "core/http_head.h"
#include "core/http_response_head.h"
#include "dispatch/relay.h"

namespace portshare {

/// Follows the requests of a client. Pauses before each request, when its head is complete and has to be
/// routed, and behind each, until the response to it has passed: no request goes on while an earlier one is
/// under way.
class HttpRequestFilter final : public RelayFilter {
 public:
  /// `head_limit`: the longest head, in bytes.
  explicit HttpRequestFilter(std::size_t head_limit) : head_limit_(head_limit) {}

  Result inspect(ByteView bytes) override;
  [[nodiscard]] std::uint64_t unseen_allowance() const override {
    return stage_ == Stage::body ? body_.unseen_allowance() : 0;
  }
  void pass_unseen(std::uint64_t count) override { body_.pass_unseen(count); }

  /// A request whose head is at the front of the pending bytes. Until forward() is called, inspect() pauses.
  [[nodiscard]] bool has_head() const { return stage_ == Stage::head_read; }
  /// Valid while has_head(). Its views are not: the bytes move.
  [[nodiscard]] const HttpHead& head() const { return head_; }
  /// How the response to it is to be read.
  [[nodiscard]] const HttpResponseContext& context() const { return context_; }
  /// Takes over a head that was read elsewhere, at the front of the bytes to come.
  void take_head(const HttpHead& head);
  /// Lets the request go, whose head has `head_length` bytes by now.
  void forward(std::size_t head_length);

  /// All of the request has passed, or none has begun.
  [[nodiscard]] bool is_between_requests() const { return stage_ == Stage::head; }
  /// The head was longer than allowed; inspect() has answered `malformed`.
  [[nodiscard]] bool is_too_large() const { return too_large_; }

 private:
  enum class Stage : std::uint8_t { head, head_read, head_passing, body };

  Result inspect_head(ByteView bytes);

  const std::size_t head_limit_;
  Stage stage_ = Stage::head;
  bool too_large_ = false;
  HttpHeadReader reader_;
  HttpHead head_;
  HttpResponseContext context_;
  std::size_t head_length_ = 0;  // as it goes on
  HttpBody body_ = HttpBody::none();
};

/// Follows the responses of a server, for each request one final response and any number of interim ones
/// before it. Pauses behind the final one.
class HttpResponseFilter final : public RelayFilter {
 public:
  Result inspect(ByteView bytes) override;
  [[nodiscard]] std::uint64_t unseen_allowance() const override {
    return stage_ == Stage::body ? body_.unseen_allowance() : 0;
  }
  void pass_unseen(std::uint64_t count) override { body_.pass_unseen(count); }

  /// A request is on its way whose response is to be expected.
  void expect(const HttpResponseContext& context);

  /// Of the response under way or the last one, once its head has been read.
  [[nodiscard]] const HttpResponseHead& head() const { return head_; }
  [[nodiscard]] bool has_head() const { return stage_ == Stage::body || stage_ == Stage::complete; }
  /// The final response has passed whole; or nothing was expected yet.
  [[nodiscard]] bool is_complete() const { return stage_ == Stage::complete; }
  /// From here on both directions carry another protocol.
  [[nodiscard]] bool is_tunnel() const {
    return is_complete() && head_.body == HttpResponseHead::Body::tunnel;
  }
  /// The response to the present request is still to come, all of it.
  [[nodiscard]] bool is_expected() const { return untouched_ && !is_complete(); }
  /// Nothing of a response to the present request has passed.
  [[nodiscard]] bool is_untouched() const { return untouched_; }
  /// The server may end its stream here without cutting a response off.
  [[nodiscard]] bool may_end() const { return is_complete() || (stage_ == Stage::body && body_.may_close()); }

 private:
  enum class Stage : std::uint8_t { head, body, complete };

  Stage stage_ = Stage::complete;
  bool untouched_ = true;
  HttpResponseContext context_;
  HttpResponseHeadReader reader_;
  HttpResponseHead head_;
  HttpBody body_ = HttpBody::none();
};

/// What a session keeps for HTTP/1.
struct HttpExchange {
  explicit HttpExchange(std::size_t head_limit) : requests(head_limit) {}

  HttpRequestFilter requests;
  HttpResponseFilter responses;
  std::size_t requests_to_server = 0;  ///< over the present connection to a server
  std::uint32_t last_backend = 0;      ///< of the request before, whose connection may serve the next one
  std::uint32_t last_server = 0;
  bool head_is_partial = false;  ///< some of a head has come, and its deadline runs
};

}  // namespace portshare
