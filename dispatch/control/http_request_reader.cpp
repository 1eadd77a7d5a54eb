#include "dispatch/control/http_request_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "core/byte_view.h"

namespace portshare {

namespace {

/// RFC 3986, 2.1; with "+" for a space where forms write it (`in_query`). Nothing for a faulty escape.
std::optional<std::string> decode(std::string_view text, bool in_query) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && in_query) {
      decoded.push_back(' ');
    } else if (text[i] == '%') {
      unsigned byte = 0;
      const std::string_view digits = text.substr(i + 1, 2);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
      if (error != std::errc{} || digits.size() != 2 || end != digits.data() + 2) return std::nullopt;
      decoded.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

/// Without scheme and authority, which the absolute form has.
std::string_view path_and_query(std::string_view target) {
  if (target.starts_with('/')) return target;
  const std::size_t authority = target.find("://");
  if (authority == std::string_view::npos) return target;
  const std::size_t path = target.find_first_of("/?", authority + 3);
  return path == std::string_view::npos ? "/" : target.substr(path);
}

bool take_target(std::string_view target, HttpRequest& request) {
  target = path_and_query(target);
  const std::size_t mark = std::min(target.find('?'), target.size());
  auto path = decode(target.substr(0, mark), false);
  if (!path) return false;
  request.path = std::move(*path);
  std::string_view query = target.substr(std::min(mark + 1, target.size()));
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto key = decode(pair.substr(0, equals), true);
    auto value = decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!key || !value) return false;
    if (!pair.empty()) request.query.emplace_back(std::move(*key), std::move(*value));
  }
  return true;
}

}  // namespace

HttpRequestReader::Progress HttpRequestReader::refuse(unsigned status, const std::string& sentence) {
  refusal_ = error_response(status, sentence);
  keep_alive_ = false;
  is_head_ = false;
  return Progress::refused;
}

HttpRequestReader::Progress HttpRequestReader::read(std::string& input) {
  if (!has_head_) {
    HttpHead head;
    switch (head_reader_.read(as_bytes(input), head)) {
      case Verdict::need_more:
        if (input.size() > head_limit) return refuse(431, "the head of the request is too long");
        return Progress::need_more;
      case Verdict::not_mine:
      case Verdict::malformed:
        return refuse(400, "this is no legal request of HTTP/1.1");
      case Verdict::recognised:
        break;
    }
    if (const Progress progress = take_head(head); progress != Progress::need_more) return progress;
  }
  if (input.size() < head_length_ + body_length_) return Progress::need_more;
  request_.body = input.substr(head_length_, body_length_);
  input.erase(0, head_length_ + body_length_);
  head_reader_ = {};
  has_head_ = false;
  return Progress::complete;
}

/// `need_more` if there is nothing against it.
HttpRequestReader::Progress HttpRequestReader::take_head(const HttpHead& head) {
  if (head.length > head_limit) return refuse(431, "the head of the request is too long");
  if (!answers_to(head)) {
    return refuse(421, fmt::format("this server is not called '{}': ask for localhost or for its address",
                                   head.host.view()));
  }
  if (head.expects_continue) return refuse(417, "send the body at once, without Expect: 100-continue");
  if (head.body == HttpHead::Body::chunked) return refuse(411, "a body needs a Content-Length here");
  if (head.content_length > body_limit) return refuse(413, "the body is too long");
  request_ = {};
  if (head.method == "CONNECT" || !take_target(head.target, request_)) {
    return refuse(400, "this target names nothing here");
  }
  is_head_ = head.method == "HEAD";
  request_.method = is_head_ ? "GET" : head.method;
  keep_alive_ = head.keep_alive;
  head_length_ = head.length;
  body_length_ = static_cast<std::size_t>(head.content_length);
  has_head_ = true;
  return Progress::need_more;
}

bool HttpRequestReader::answers_to(const HttpHead& head) const {
  if (hosts_ == HostPolicy::any || !head.has_host || head.host.is_address()) return true;
  const std::string_view name = head.host.view();
  return name == "localhost" || name.ends_with(".localhost");
}

HttpResponse error_response(unsigned status, const std::string& sentence) {
  const nlohmann::json json{{"error", sentence}};
  return {.status = status,
          .content_type = "application/json",
          .body = json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n",
          .fields = {}};
}

std::string status_line_of(unsigned status) {
  const std::string_view reason = [status]() -> std::string_view {
    switch (status) {
      case 200:
        return "OK";
      case 202:
        return "Accepted";
      case 400:
        return "Bad Request";
      case 404:
        return "Not Found";
      case 405:
        return "Method Not Allowed";
      case 409:
        return "Conflict";
      case 411:
        return "Length Required";
      case 413:
        return "Content Too Large";
      case 417:
        return "Expectation Failed";
      case 421:
        return "Misdirected Request";
      case 422:
        return "Unprocessable Content";
      case 431:
        return "Request Header Fields Too Large";
      case 500:
        return "Internal Server Error";
      case 501:
        return "Not Implemented";
      case 503:
        return "Service Unavailable";
      default:
        return "Status";
    }
  }();
  return fmt::format("{} {}", status, reason);
}

}  // namespace portshare
