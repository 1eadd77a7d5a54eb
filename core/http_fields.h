// What request heads, response heads and trailers have in common: RFC 9110 (5, 7.6.1, 8.6), RFC 9112 (5).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace portshare::http {

enum class Character : std::uint8_t {
  token = 1,   ///< RFC 9110, 5.6.2
  target = 2,  ///< visible ASCII without the fragment's "#" (RFC 9112, 3.2)
  field = 4,   ///< RFC 9110, 5.5: field-vchar with obs-text, SP, HTAB
  opaque = 8,  ///< what cannot end a line for anybody: all but NUL, CR and LF
};

inline constexpr std::array<std::uint8_t, 256> character_classes = [] {
  constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";
  constexpr auto bit = [](Character kind) { return static_cast<unsigned>(kind); };
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const bool is_letter = (i >= 'a' && i <= 'z') || (i >= 'A' && i <= 'Z');
    const bool is_digit = i >= '0' && i <= '9';
    const bool is_visible = i > 0x20 && i < 0x7f;
    const bool is_mark = is_visible && token_marks.find(static_cast<char>(i)) != std::string_view::npos;
    unsigned bits = 0;
    if (is_letter || is_digit || is_mark) bits |= bit(Character::token);
    if (is_visible && i != '#') bits |= bit(Character::target);
    if (is_visible || i == ' ' || i == '\t' || i >= 0x80) bits |= bit(Character::field);
    if (i != '\0' && i != '\r' && i != '\n') bits |= bit(Character::opaque);
    classes[i] = static_cast<std::uint8_t>(bits);
  }
  return classes;
}();

constexpr bool is_a(Character kind, char character) {
  return (character_classes[static_cast<std::uint8_t>(character)] & static_cast<std::uint8_t>(kind)) != 0;
}

constexpr bool is_digit(char character) {
  return character >= '0' && character <= '9';
}

constexpr char to_lower(char character) {
  return character >= 'A' && character <= 'Z' ? static_cast<char>(character + ('a' - 'A')) : character;
}

/// `lower` is in lower case.
bool equals_ignoring_case(std::string_view text, std::string_view lower);

/// The first position from `begin` on whose character is not of that kind, or the end.
std::size_t skip(Character kind, std::string_view text, std::size_t begin);

inline bool is_all(Character kind, std::string_view text) {
  return skip(kind, text, 0) == text.size();
}

/// Without the spaces and tabs at both ends.
std::string_view trim(std::string_view text);

/// Calls `visit` with each element of a comma-separated list, trimmed, empty ones too; stops when it answers
/// false, and then answers false itself.
template <typename Visit>
bool for_each_element(std::string_view list, Visit visit) {
  for (;;) {
    const std::size_t comma = list.find(',');
    if (!visit(trim(list.substr(0, comma)))) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

/// A view into the line that it was read from.
struct Field {
  std::string_view name;
  std::string_view value;  ///< trimmed
};

/// One field line without its end (RFC 9112, 5). Nothing for one that is folded (it begins with a space), has
/// no name, a name that is no token, a space before the colon, or a value with other characters than
/// `value_characters`.
std::optional<Field> split_field(std::string_view line, Character value_characters = Character::field);

/// Digits up to 2^63-1: what every program that may read the same field can hold.
std::optional<std::uint64_t> parse_content_length(std::string_view digits);

/// What the Connection fields of one head say (RFC 9110, 7.6.1), as far as it matters here.
struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;

  void take(std::string_view value);
  /// RFC 9112, 9.3: whether the connection is to carry a further message.
  [[nodiscard]] bool persist(unsigned minor_version) const {
    return !close && (minor_version != 0 || keep_alive);
  }
};

}  // namespace portshare::http
