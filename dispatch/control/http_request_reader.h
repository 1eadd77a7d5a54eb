// Reads the requests to the control server: heads by core/http_head.h, small bodies of a known length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/http_head.h"
#include "dispatch/control/http_message.h"

namespace portshare {

/// Which names a server answers to.
enum class HostPolicy : std::uint8_t {
  any,
  /// "localhost", names below it, and addresses. For a server on a loopback address, which a browser on the
  /// same host may be sent to by a stranger's page whose name has begun to mean 127.0.0.1 (DNS rebinding).
  local,
};

/// For one connection, request after request.
class HttpRequestReader {
 public:
  static constexpr std::size_t head_limit = std::size_t{16} * 1024;
  static constexpr std::size_t body_limit = std::size_t{64} * 1024;

  explicit HttpRequestReader(HostPolicy hosts) : hosts_(hosts) {}

  enum class Progress : std::uint8_t {
    need_more,
    complete,  ///< request() is there
    refused,   ///< refusal() is to be sent; nothing behind it can be read
  };
  /// `input` is all that came and was not read yet. A complete request is taken off its front.
  Progress read(std::string& input);

  /// Of the last one that was complete.
  [[nodiscard]] const HttpRequest& request() const { return request_; }
  [[nodiscard]] bool is_head() const { return is_head_; }
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  [[nodiscard]] const HttpResponse& refusal() const { return refusal_; }

 private:
  Progress take_head(const HttpHead& head);
  Progress refuse(unsigned status, const std::string& sentence);
  [[nodiscard]] bool answers_to(const HttpHead& head) const;

  HostPolicy hosts_;
  HttpHeadReader head_reader_;
  bool has_head_ = false;
  std::size_t head_length_ = 0;
  std::size_t body_length_ = 0;
  HttpRequest request_;
  bool is_head_ = false;
  bool keep_alive_ = false;
  HttpResponse refusal_;
};

}  // namespace portshare
