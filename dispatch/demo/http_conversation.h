// How a sample application answers: HTTP/1 (RFC 9112) over bytes in memory.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/byte_view.h"
#include "core/http_head.h"

namespace portshare {

/// The page of a sample application, a line of text: which application it is, and for which host it was asked
/// ("" : for none).
[[nodiscard]] std::string sample_page(std::string_view application, std::string_view host);

/// The requests and answers of one connection. GET and HEAD of any path get the page, other methods 405.
class HttpConversation {
 public:
  explicit HttpConversation(std::string application) : application_(std::move(application)) {}

  /// Takes what has arrived, and appends the answers to all requests that are complete by now.
  void take(ByteView bytes, std::string& answers);

  /// The connection ends with the answers so far; whatever comes is not read.
  [[nodiscard]] bool is_over() const { return is_over_; }

 private:
  void answer(const HttpHead& request, std::string& answers);
  void refuse(std::string_view status, std::string& answers);

  std::string application_;
  std::string received_;
  HttpHeadReader reader_;
  bool is_over_ = false;
};

}  // namespace portshare
