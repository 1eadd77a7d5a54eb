#include "core/http_fields.h"

#include <algorithm>
#include <limits>

namespace portshare::http {

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, {}, to_lower);
}

std::size_t skip(Character kind, std::string_view text, std::size_t begin) {
  while (begin < text.size() && is_a(kind, text[begin])) ++begin;
  return begin;
}

std::string_view trim(std::string_view text) {
  constexpr auto is_space = [](char character) { return character == ' ' || character == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<Field> split_field(std::string_view line, Character value_characters) {
  const std::size_t colon = skip(Character::token, line, 0);
  if (colon == 0 || colon == line.size() || line[colon] != ':') return std::nullopt;
  const std::string_view value = line.substr(colon + 1);
  if (!is_all(value_characters, value)) return std::nullopt;
  return Field{line.substr(0, colon), trim(value)};
}

std::optional<std::uint64_t> parse_content_length(std::string_view digits) {
  constexpr std::uint64_t max = std::numeric_limits<std::int64_t>::max();
  if (digits.empty()) return std::nullopt;
  std::uint64_t length = 0;
  for (const char character : digits) {
    if (!is_digit(character)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(character - '0');
    if (length > (max - digit) / 10) return std::nullopt;
    length = length * 10 + digit;
  }
  return length;
}

void ConnectionOptions::take(std::string_view value) {
  for_each_element(value, [this](std::string_view option) {
    if (equals_ignoring_case(option, "close")) close = true;
    if (equals_ignoring_case(option, "keep-alive")) keep_alive = true;
    if (equals_ignoring_case(option, "upgrade")) upgrade = true;
    return true;
  });
}

}  // namespace portshare::http
