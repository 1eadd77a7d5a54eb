#include "dispatch/demo/http_conversation.h"

#include <fmt/format.h>

#include <cstddef>
#include <iterator>

namespace portshare {
namespace {

constexpr std::size_t max_head_size = std::size_t{64} * 1024;

void append_answer(std::string_view status, std::string_view fields, std::string_view body, bool keep_alive,
                   bool with_body, std::string& out) {
  fmt::format_to(std::back_inserter(out),
                 "HTTP/1.1 {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n"
                 "Connection: {}\r\n{}\r\n{}",
                 status, body.size(), keep_alive ? "keep-alive" : "close", fields, with_body ? body : "");
}

}  // namespace

std::string sample_page(std::string_view application, std::string_view host) {
  return fmt::format("Hello from {}, you asked for {}\n", application, host.empty() ? "no host" : host);
}

void HttpConversation::take(ByteView bytes, std::string& answers) {
  received_.append(as_text(bytes));
  while (!is_over_ && !received_.empty()) {
    HttpHead request;
    switch (reader_.read(as_bytes(received_), request)) {
      case Verdict::need_more:
        if (received_.size() > max_head_size) refuse("431 Request Header Fields Too Large", answers);
        return;
      case Verdict::recognised:
        answer(request, answers);
        received_.erase(0, request.length);
        reader_ = {};
        break;
      case Verdict::not_mine:
      case Verdict::malformed:
        refuse("400 Bad Request", answers);
        break;
    }
  }
}

void HttpConversation::answer(const HttpHead& request, std::string& answers) {
  // A body is not read, so what follows it could not be found.
  is_over_ = !request.keep_alive || request.body != HttpHead::Body::none;
  const bool is_head = request.method == "HEAD";
  if (is_head || request.method == "GET") {
    const std::string page = sample_page(application_, request.has_host ? request.host.view() : "");
    append_answer("200 OK", "", page, !is_over_, !is_head, answers);
  } else {
    append_answer("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "405 Method Not Allowed\n", !is_over_,
                  true, answers);
  }
}

void HttpConversation::refuse(std::string_view status, std::string& answers) {
  is_over_ = true;
  append_answer(status, "", fmt::format("{}\n", status), false, true, answers);
}

}  // namespace portshare
