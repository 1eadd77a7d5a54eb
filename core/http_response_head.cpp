#include "core/http_response_head.h"

#include <cassert>

#include "core/http_head.h"

namespace portshare {
namespace {

using http::Character;
using http::equals_ignoring_case;

constexpr unsigned switching_protocols = 101;
constexpr unsigned no_content = 204;
constexpr unsigned not_modified = 304;

constexpr unsigned class_of(unsigned status) {
  return status / 100;
}

bool is_framing_field(std::string_view name) {
  return equals_ignoring_case(name, "connection") || equals_ignoring_case(name, "content-length") ||
         equals_ignoring_case(name, "transfer-encoding");
}

}  // namespace

HttpResponseContext HttpResponseContext::of(const HttpHead& request) {
  return {.to_head = request.method == "HEAD",
          .to_connect = request.method == "CONNECT",
          .to_upgrade = request.upgrade};
}

Verdict HttpResponseHeadReader::read(ByteView bytes, HttpResponseHead& head) {
  if (verdict_ == Verdict::need_more) verdict_ = advance(as_text(bytes));
  if (verdict_ != Verdict::recognised) return verdict_;
  const HttpResponseHead::Body kind = body();
  head = {.status = status_,
          .minor_version = minor_version_,
          .is_interim = is_interim(),
          .body = kind,
          .content_length = kind == HttpResponseHead::Body::content_length ? content_length_.value_or(0) : 0,
          .keep_alive = keep_alive(kind),
          .length = position_};
  return verdict_;
}

Verdict HttpResponseHeadReader::advance(std::string_view text) {
  assert(text.size() >= scanned_);
  // Who speaks another protocol may never end a line.
  constexpr std::string_view start = "HTTP/1.";
  if (!start.starts_with(text.substr(0, start.size()))) return Verdict::malformed;

  for (;;) {
    const std::size_t line_feed = text.find('\n', scanned_);
    if (line_feed == std::string_view::npos) {
      scanned_ = text.size();
      return Verdict::need_more;
    }
    std::string_view line = text.substr(position_, line_feed - position_);
    position_ = scanned_ = line_feed + 1;
    const bool is_bare = !line.ends_with('\r');
    if (!is_bare) line.remove_suffix(1);

    if (status_ == 0) {
      has_bare_line_feeds_ = is_bare;
      if (!take_status_line(line)) return Verdict::malformed;
      continue;
    }
    if (is_bare != has_bare_line_feeds_) return Verdict::malformed;
    if (line.empty()) return is_consistent() ? Verdict::recognised : Verdict::malformed;
    if (!take_field_line(line)) return Verdict::malformed;
  }
}

/// RFC 9112, 4: "HTTP/1.1 200 OK".
bool HttpResponseHeadReader::take_status_line(std::string_view line) {
  constexpr std::string_view form = "HTTP/1.0 000";
  if (line.size() < form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] == '0' ? !http::is_digit(line[i]) : line[i] != form[i]) return false;
  }
  minor_version_ = line[7] == '0' ? 0 : 1;
  for (const char digit : line.substr(9, 3)) status_ = status_ * 10 + static_cast<unsigned>(digit - '0');
  const std::string_view reason = line.substr(form.size());
  return class_of(status_) != 0 && (reason.empty() || reason.front() == ' ') &&
         http::is_all(Character::opaque, reason);
}

bool HttpResponseHeadReader::take_field_line(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return is_legal_fold(line);
  const auto field = http::split_field(line, Character::opaque);
  if (!field) return false;
  may_fold_ = !is_framing_field(field->name);
  return may_fold_ || (http::is_all(Character::field, field->value) && take_framing_field(*field));
}

/// Some readers take a line of spaces for the end of the head.
bool HttpResponseHeadReader::is_legal_fold(std::string_view line) const {
  return may_fold_ && !http::trim(line).empty() && http::is_all(Character::opaque, line);
}

bool HttpResponseHeadReader::take_framing_field(const http::Field& field) {
  if (equals_ignoring_case(field.name, "content-length")) return take_content_length(field.value);
  if (equals_ignoring_case(field.name, "transfer-encoding")) return take_transfer_encoding(field.value);
  connection_.take(field.value);
  return true;
}

/// RFC 9110, 8.6: equal ones may be taken for one.
bool HttpResponseHeadReader::take_content_length(std::string_view value) {
  return http::for_each_element(value, [this](std::string_view digits) {
    const auto length = http::parse_content_length(digits);
    if (!length || (content_length_ && *content_length_ != *length)) return false;
    content_length_ = length;
    return true;
  });
}

/// Several fields are one list (RFC 9110, 5.3).
bool HttpResponseHeadReader::take_transfer_encoding(std::string_view value) {
  has_transfer_encoding_ = true;
  return http::for_each_element(value, [this](std::string_view coding) {
    if (is_chunked_ || coding.empty() || !http::is_all(Character::token, coding)) return false;
    is_chunked_ = equals_ignoring_case(coding, "chunked");
    return true;
  });
}

/// What only the whole head can tell.
bool HttpResponseHeadReader::is_consistent() const {
  if (status_ == switching_protocols) return context_.to_upgrade;
  return !is_interim() || !announces_body();
}

bool HttpResponseHeadReader::is_interim() const {
  return class_of(status_) == 1 && status_ != switching_protocols;
}

bool HttpResponseHeadReader::announces_body() const {
  return has_transfer_encoding_ || content_length_.value_or(0) != 0;
}

/// RFC 9112, 6.3.
HttpResponseHead::Body HttpResponseHeadReader::body() const {
  using Body = HttpResponseHead::Body;
  if (status_ == switching_protocols || (context_.to_connect && class_of(status_) == 2)) return Body::tunnel;
  if (context_.to_head || is_interim() || status_ == no_content || status_ == not_modified) return Body::none;
  if (has_transfer_encoding_) return is_chunked_ ? Body::chunked : Body::until_close;
  return content_length_ ? Body::content_length : Body::until_close;
}

bool HttpResponseHeadReader::keep_alive(HttpResponseHead::Body body) const {
  using Body = HttpResponseHead::Body;
  if (body == Body::until_close || body == Body::tunnel) return false;
  if (has_transfer_encoding_ && (content_length_ || minor_version_ == 0)) return false;
  if (status_ == no_content && announces_body()) return false;
  return connection_.persist(minor_version_);
}

}  // namespace portshare
