#include "core/http_body.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <optional>
#include <string_view>

#include "core/http_fields.h"
#include "core/http_head.h"
#include "core/http_response_head.h"

namespace portshare {
namespace {

constexpr std::string_view line_end = "\r\n";

constexpr std::optional<unsigned> hexadecimal_digit(char character) {
  const char lower = http::to_lower(character);
  if (http::is_digit(lower)) return static_cast<unsigned>(lower - '0');
  if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a' + 10);
  return std::nullopt;
}

/// The size in a chunk's first line, given without its end.
std::optional<std::uint64_t> parse_chunk_line(std::string_view line) {
  constexpr std::size_t max_digits = 16;
  constexpr std::uint64_t max_size = std::numeric_limits<std::int64_t>::max();
  std::uint64_t size = 0;
  std::size_t digits = 0;
  for (; digits < line.size(); ++digits) {
    const auto digit = hexadecimal_digit(line[digits]);
    if (!digit) break;
    if (digits == max_digits) return std::nullopt;
    size = size << 4 | *digit;
  }
  if (digits == 0 || size > max_size) return std::nullopt;
  const std::string_view extensions = line.substr(digits);
  const bool is_legal =
      extensions.empty() || (extensions.front() == ';' && http::is_all(http::Character::field, extensions));
  return is_legal ? std::optional(size) : std::nullopt;
}

bool is_legal_trailer(std::string_view line) {
  constexpr std::string_view forbidden[] = {"content-length", "transfer-encoding", "host"};
  const auto field = http::split_field(line);
  return field && std::ranges::none_of(forbidden, [&](std::string_view name) {
           return http::equals_ignoring_case(field->name, name);
         });
}

}  // namespace

HttpBody HttpBody::of(const HttpHead& head) {
  switch (head.body) {
    case HttpHead::Body::none:
      break;
    case HttpHead::Body::content_length:
      return with_length(head.content_length);
    case HttpHead::Body::chunked:
      return chunked();
  }
  return none();
}

HttpBody HttpBody::of(const HttpResponseHead& head) {
  switch (head.body) {
    case HttpResponseHead::Body::none:
      break;
    case HttpResponseHead::Body::content_length:
      return with_length(head.content_length);
    case HttpResponseHead::Body::chunked:
      return chunked();
    case HttpResponseHead::Body::until_close:
    case HttpResponseHead::Body::tunnel:
      return until_close();
  }
  return none();
}

HttpBody::Consumed HttpBody::consume(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  std::size_t count = 0;
  while (const std::size_t advanced = advance(text.substr(count))) count += advanced;
  if (is_complete()) return {count, Progress::complete};
  return {count, stage_ == Stage::malformed ? Progress::malformed : Progress::more};
}

std::size_t HttpBody::advance(std::string_view rest) {
  if (rest.empty()) return 0;
  switch (stage_) {
    case Stage::counted:
      return pass_data(rest, Stage::complete);
    case Stage::until_close:
      return rest.size();
    case Stage::chunk_line:
      return read_chunk_line(rest);
    case Stage::chunk_data:
      return pass_data(rest, Stage::chunk_end);
    case Stage::chunk_end:
      return read_chunk_end(rest);
    case Stage::trailers:
      return read_trailer(rest);
    case Stage::complete:
    case Stage::malformed:
      break;
  }
  return 0;
}

std::size_t HttpBody::pass_data(std::string_view rest, Stage next) {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, rest.size()));
  remaining_ -= count;
  if (remaining_ == 0) stage_ = next;
  return count;
}

std::size_t HttpBody::read_chunk_line(std::string_view rest) {
  if (!hexadecimal_digit(rest.front())) return fail();  // without waiting for a line end that may never come
  const std::size_t length = find_line(rest, max_line_length);
  if (length == 0) return 0;
  const auto size = parse_chunk_line(rest.substr(0, length - line_end.size()));
  if (!size) return fail();
  remaining_ = *size;
  stage_ = remaining_ == 0 ? Stage::trailers : Stage::chunk_data;
  return length;
}

std::size_t HttpBody::read_chunk_end(std::string_view rest) {
  const std::string_view end = rest.substr(0, line_end.size());
  if (!line_end.starts_with(end)) return fail();
  if (end.size() < line_end.size()) return 0;
  stage_ = Stage::chunk_line;
  return end.size();
}

std::size_t HttpBody::read_trailer(std::string_view rest) {
  const std::size_t length =
      find_line(rest, std::min(max_line_length, max_trailers_length - trailers_length_));
  if (length == 0) return 0;
  const std::string_view line = rest.substr(0, length - line_end.size());
  if (!line.empty() && !is_legal_trailer(line)) return fail();
  if (line.empty()) stage_ = Stage::complete;
  trailers_length_ += length;
  return length;
}

std::size_t HttpBody::find_line(std::string_view rest, std::size_t max_length) {
  const std::size_t line_feed = rest.substr(0, max_length).find('\n');
  if (line_feed == std::string_view::npos) return rest.size() < max_length ? 0 : fail();
  const std::size_t length = line_feed + 1;
  return rest.substr(0, length).ends_with(line_end) ? length : fail();
}

std::size_t HttpBody::fail() {
  stage_ = Stage::malformed;
  return 0;
}

std::uint64_t HttpBody::unseen_allowance() const {
  if (stage_ == Stage::until_close) return UINT64_MAX;
  const bool is_counted = stage_ == Stage::counted || stage_ == Stage::chunk_data;
  return is_counted && remaining_ > 0 ? remaining_ - 1 : 0;
}

void HttpBody::pass_unseen(std::uint64_t count) {
  assert(count <= unseen_allowance());
  if (stage_ != Stage::until_close) remaining_ -= count;
}

}  // namespace portshare
