#include "core/http_head.h"

#include <algorithm>
#include <cassert>

#include "core/http_fields.h"

namespace portshare {
namespace {

using http::Character;
using http::equals_ignoring_case;
using http::for_each_element;
using http::is_digit;
using http::skip;
using http::to_lower;

constexpr std::size_t max_leading_bytes =
    4;  // two empty lines: clients which add one to a body exist (RFC 9112, 2.2)
constexpr std::size_t max_method_length = 32;
constexpr std::string_view empty_line = "\r\n";

/// IANA's HTTP Method Registry, the common ones first.
bool is_registered_method(std::string_view method) {
  static constexpr std::string_view methods[] = {
      "GET",
      "POST",
      "HEAD",
      "PUT",
      "DELETE",
      "OPTIONS",
      "PATCH",
      "CONNECT",
      "TRACE",
      "PROPFIND",
      "REPORT",
      "PROPPATCH",
      "MKCOL",
      "COPY",
      "MOVE",
      "LOCK",
      "UNLOCK",
      "ACL",
      "BIND",
      "CHECKIN",
      "CHECKOUT",
      "LABEL",
      "LINK",
      "MERGE",
      "MKACTIVITY",
      "MKCALENDAR",
      "MKREDIRECTREF",
      "MKWORKSPACE",
      "PRI",
      "ORDERPATCH",
      "QUERY",
      "REBIND",
      "SEARCH",
      "UNBIND",
      "UNLINK",
      "UNCHECKOUT",
      "UPDATE",
      "BASELINE-CONTROL",
      "UPDATEREDIRECTREF",
      "VERSION-CONTROL",
  };
  return std::ranges::find(methods, method) != std::end(methods);
}

/// The codings of RFC 9112, 7, without "chunked".
bool is_compression(std::string_view coding) {
  static constexpr std::string_view codings[] = {"gzip", "deflate", "compress", "x-gzip", "x-compress"};
  return std::ranges::any_of(codings,
                             [&](std::string_view known) { return equals_ignoring_case(coding, known); });
}

/// RFC 3986, 3.1.
bool is_scheme(std::string_view text) {
  return !text.empty() && !is_digit(text.front()) && std::ranges::all_of(text, [](char character) {
    const char lower = to_lower(character);
    return (lower >= 'a' && lower <= 'z') || is_digit(character) || character == '+' || character == '-' ||
           character == '.';
  });
}

}  // namespace

Verdict HttpHeadReader::read(ByteView bytes, HttpHead& head) {
  const std::string_view text = as_text(bytes);
  if (verdict_ == Verdict::need_more) verdict_ = advance(text);
  if (verdict_ == Verdict::recognised) fill(text, head);
  return verdict_;
}

Verdict HttpHeadReader::advance(std::string_view text) {
  assert(text.size() >= scanned_);
  while (stage_ != Stage::complete) {
    const Verdict verdict = read_stage(text);
    if (verdict != Verdict::recognised) return verdict;
  }
  return Verdict::recognised;
}

Verdict HttpHeadReader::read_stage(std::string_view text) {
  switch (stage_) {
    case Stage::leading_lines:
      return skip_leading_lines(text);
    case Stage::method:
      return read_method(text);
    case Stage::target:
      return read_target(text);
    case Stage::version:
      return read_version(text);
    case Stage::unclaimed:
      return judge_unclaimed_line(text);
    case Stage::fields:
      return read_fields(text);
    case Stage::complete:
      break;
  }
  return Verdict::recognised;
}

Verdict HttpHeadReader::begin(Stage stage, std::size_t position) {
  stage_ = stage;
  position_ = scanned_ = position;
  return Verdict::recognised;
}

Verdict HttpHeadReader::skip_leading_lines(std::string_view text) {
  std::size_t end = position_;
  while (end < max_leading_bytes && text.substr(end, 2) == "\r\n") end += 2;
  const std::string_view rest = text.substr(end);
  if (rest.empty() || (rest == "\r" && end < max_leading_bytes)) return Verdict::need_more;
  return begin(Stage::method, end);
}

Verdict HttpHeadReader::read_method(std::string_view text) {
  scanned_ = skip(Character::token, text, scanned_);
  const std::size_t length = scanned_ - position_;
  if (length > max_method_length) return Verdict::not_mine;
  if (scanned_ == text.size()) return Verdict::need_more;
  if (length == 0 || text[scanned_] != ' ') return Verdict::not_mine;
  method_ = {position_, length};
  method_is_registered_ = is_registered_method(method_.in(text));
  return begin(Stage::target, scanned_ + 1);
}

Verdict HttpHeadReader::read_target(std::string_view text) {
  scanned_ = skip(Character::target, text, scanned_);
  if (scanned_ == text.size()) return Verdict::need_more;
  if (scanned_ == position_ || text[scanned_] != ' ') return break_request_line();
  target_ = {position_, scanned_ - position_};
  return begin(Stage::version, scanned_ + 1);
}

Verdict HttpHeadReader::read_version(std::string_view text) {
  constexpr std::string_view form = "HTTP/1.0\r\n";
  constexpr std::size_t minor_position = 7;
  for (; scanned_ - position_ < form.size(); ++scanned_) {
    if (scanned_ == text.size()) return Verdict::need_more;
    const std::size_t index = scanned_ - position_;
    const char character = text[scanned_];
    const bool fits = index == minor_position ? is_digit(character) : character == form[index];
    if (!fits) return break_request_line();
  }
  minor_version_ = text[position_ + minor_position] == '0' ? 0 : 1;
  if (!take_target(method_.in(text), target_.in(text))) return Verdict::malformed;
  return begin(Stage::fields, scanned_);
}

/// The line is no request line. Whether it claims to be one decides between `malformed` and `not_mine`, and
/// with a method that no one registered only the rest of the line can tell.
Verdict HttpHeadReader::break_request_line() {
  if (method_is_registered_) return Verdict::malformed;
  return begin(Stage::unclaimed, method_.begin + method_.length);
}

Verdict HttpHeadReader::judge_unclaimed_line(std::string_view text) {
  for (; scanned_ < text.size(); ++scanned_) {
    const char character = text[scanned_];
    if (character <= 0x1f || character >= 0x7f) return Verdict::not_mine;
    const std::string_view line = text.substr(position_, scanned_ + 1 - position_);
    if (line.ends_with(" HTTP/")) return Verdict::malformed;
  }
  return Verdict::need_more;
}

Verdict HttpHeadReader::read_fields(std::string_view text) {
  for (;;) {
    const std::size_t line_feed = text.find('\n', scanned_);
    if (line_feed == std::string_view::npos) {
      scanned_ = text.size();
      return Verdict::need_more;
    }
    std::string_view line = text.substr(position_, line_feed - position_);
    if (!line.ends_with('\r')) return Verdict::malformed;
    line.remove_suffix(1);
    const Part part{.begin = position_, .length = line_feed + 1 - position_};
    position_ = scanned_ = line_feed + 1;
    if (line.empty()) return is_consistent() ? begin(Stage::complete, position_) : Verdict::malformed;
    if (!take_field(part, line)) return Verdict::malformed;
  }
}

/// RFC 9112, 3.2: origin, absolute, authority and asterisk form.
bool HttpHeadReader::take_target(std::string_view method, std::string_view target) {
  if (method == "CONNECT") {
    is_connect_ = true;
    if (!take_target_authority(target)) return false;
    default_port_ = host_.port();
    return default_port_.has_value();
  }
  if (target == "*") return method == "OPTIONS";
  if (target.starts_with('/')) return true;

  constexpr std::string_view separator = "://";
  const std::size_t scheme_length = target.find(separator);
  if (scheme_length == std::string_view::npos) return false;
  const std::string_view scheme = target.substr(0, scheme_length);
  if (!is_scheme(scheme)) return false;
  if (equals_ignoring_case(scheme, "http")) default_port_ = 80;
  if (equals_ignoring_case(scheme, "https")) default_port_ = 443;
  target.remove_prefix(scheme_length + separator.size());
  return take_target_authority(target.substr(0, target.find_first_of("/?")));
}

bool HttpHeadReader::take_target_authority(std::string_view authority) {
  const auto name = HostName::from_authority(authority);
  if (!name) return false;
  host_ = *name;
  target_has_authority_ = true;
  return true;
}

/// `line` is one field line without its end, `part` the place of all of it.
bool HttpHeadReader::take_field(Part part, std::string_view line) {
  const auto field = http::split_field(line);
  if (!field) return false;
  const auto [name, value] = *field;
  switch (name.size()) {
    case 4:
      return !equals_ignoring_case(name, "host") || take_host(value);
    case 6:
      if (equals_ignoring_case(name, "expect")) take_expect(value);
      return true;
    case 7:
      if (equals_ignoring_case(name, "upgrade")) take_upgrade(part, value);
      return true;
    case 10:
      if (equals_ignoring_case(name, "connection")) connection_.take(value);
      return true;
    case 14:
      return !equals_ignoring_case(name, "content-length") || take_content_length(value);
    case 17:
      return !equals_ignoring_case(name, "transfer-encoding") || take_transfer_encoding(value);
    default:
      return true;
  }
}

bool HttpHeadReader::take_host(std::string_view value) {
  if (has_host_field_) return false;
  has_host_field_ = true;
  const auto name = HostName::from_authority(value);
  if (!name) return false;
  if (!target_has_authority_) {
    host_ = *name;
    return true;
  }
  const auto port_of = [this](const HostName& host) { return host.port() ? host.port() : default_port_; };
  return name->view() == host_.view() && port_of(*name) == port_of(host_);
}

bool HttpHeadReader::take_content_length(std::string_view value) {
  if (has_content_length_ || has_transfer_encoding_) return false;
  has_content_length_ = true;
  const auto length = http::parse_content_length(value);
  content_length_ = length.value_or(0);
  return length.has_value();
}

/// Several fields are one list (RFC 9110, 5.3), so "chunked" must stay the last element over all of them.
bool HttpHeadReader::take_transfer_encoding(std::string_view value) {
  if (has_content_length_ || minor_version_ == 0) return false;
  has_transfer_encoding_ = true;
  return for_each_element(value, [this](std::string_view coding) {
    if (is_chunked_) return false;
    is_chunked_ = equals_ignoring_case(coding, "chunked");
    return is_chunked_ || is_compression(coding);
  });
}

void HttpHeadReader::take_upgrade(Part part, std::string_view value) {
  has_upgrade_ = true;
  for_each_element(value, [&](std::string_view protocol) {
    if (equals_ignoring_case(protocol, "h2c") && !http2_offer_) http2_offer_ = part;
    return true;
  });
}

void HttpHeadReader::take_expect(std::string_view value) {
  for_each_element(value, [this](std::string_view expectation) {
    if (equals_ignoring_case(expectation, "100-continue")) expects_continue_ = true;
    return true;
  });
}

/// What only the whole head can tell.
bool HttpHeadReader::is_consistent() const {
  if (!has_host_field_ && minor_version_ != 0) return false;
  if (has_transfer_encoding_ != is_chunked_) return false;
  return !is_connect_ || (!is_chunked_ && content_length_ == 0);
}

void HttpHeadReader::fill(std::string_view text, HttpHead& head) const {
  const bool is_1_1 = minor_version_ != 0;
  head.method = method_.in(text);
  head.target = target_.in(text);
  head.minor_version = minor_version_;
  head.has_host = target_has_authority_ || has_host_field_;
  head.host = host_;
  head.body = is_chunked_           ? HttpHead::Body::chunked
              : has_content_length_ ? HttpHead::Body::content_length
                                    : HttpHead::Body::none;
  head.content_length = content_length_;
  head.keep_alive = connection_.persist(minor_version_);
  head.upgrade = is_1_1 && has_upgrade_ && connection_.upgrade;
  head.upgrade_to_http2 = head.upgrade && http2_offer_;
  head.http2_offer = http2_offer_.value_or(Part()).begin;
  head.http2_offer_length = http2_offer_.value_or(Part()).length;
  head.expects_continue = is_1_1 && expects_continue_;
  head.length = position_;
  head.fields_end = position_ - empty_line.size();
}

}  // namespace portshare
