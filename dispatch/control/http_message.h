// A request to the control server and its answer, as handlers see them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portshare {

struct HttpRequest {
  std::string method;  ///< HEAD comes as GET: its answer is the same, and the server leaves the body out
  std::string path;    ///< decoded, from its "/" on, without the query
  std::vector<std::pair<std::string, std::string>> query;  ///< decoded, in the order of the request
  std::string body;

  /// The first of that name; null: there is none.
  [[nodiscard]] const std::string* parameter(std::string_view name) const {
    for (const auto& [key, value] : query) {
      if (key == name) return &value;
    }
    return nullptr;
  }
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  /// Further fields, "Allow: GET\r\n" each.
  std::string fields;
};

/// A plain sentence, with a newline added.
[[nodiscard]] inline HttpResponse text_response(unsigned status, std::string sentence) {
  sentence.push_back('\n');
  return {.status = status, .body = std::move(sentence), .fields = {}};
}

/// Whatever is refused, and why: {"error": "a sentence"}.
[[nodiscard]] HttpResponse error_response(unsigned status, const std::string& sentence);

/// "200 OK".
[[nodiscard]] std::string status_line_of(unsigned status);

}  // namespace portshare
