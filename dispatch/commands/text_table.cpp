#include "dispatch/commands/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

namespace portshare {

namespace {

bool begins_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80U;
}

/// With three digits, and no zeros behind the point.
std::string three_digits(double value) {
  return fmt::format("{:.3g}", value);
}

}  // namespace

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, begins_character));
}

std::string fitted(std::string_view text, std::size_t width, TextTable::Align align) {
  const std::size_t own = width_of(text);
  if (own <= width) {
    const std::string space(width - own, ' ');
    return align == TextTable::Align::left ? std::string(text) + space : space + std::string(text);
  }
  if (width == 0) return {};
  std::size_t characters = 0;
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    if (begins_character(text[end]) && characters++ == width - 1) break;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string TextTable::to_string() const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    std::size_t width = width_of(columns_[column].title);
    for (const auto& row : rows_) width = std::max(width, width_of(row[column]));
    widths.push_back(width);
  }
  std::string text;
  const auto add_line = [&](auto&& cell_of) {
    std::string line;
    for (std::size_t column = 0; column < columns_.size(); ++column) {
      if (column > 0) line += "  ";
      line += fitted(cell_of(column), widths[column], columns_[column].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_line([&](std::size_t column) -> std::string_view { return columns_[column].title; });
  for (const auto& row : rows_) {
    assert(row.size() == columns_.size());
    add_line([&](std::size_t column) -> std::string_view { return row[column]; });
  }
  return text;
}

std::string count_text(double count) {
  if (count >= 999'500) return three_digits(count / 1e6) + "M";
  if (count >= 9'999.5) return three_digits(count / 1e3) + "k";
  const long whole = std::lround(count);
  return whole < 1'000 ? fmt::format("{}", whole) : fmt::format("{},{:03}", whole / 1'000, whole % 1'000);
}

std::string rate_text(double per_second) {
  if (per_second == 0) return "0";
  if (per_second < 0.05) return "<0.1";
  return per_second < 9.95 ? fmt::format("{:.1f}", per_second) : count_text(per_second);
}

std::string bytes_text(double bytes) {
  constexpr std::array units{"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  for (; bytes >= 999.5 && unit + 1 < units.size(); ++unit) bytes /= 1e3;
  return fmt::format("{} {}", unit == 0 ? fmt::format("{:.0f}", bytes) : three_digits(bytes), units[unit]);
}

std::string latency_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.0f} µs", seconds * 1e6);
  if (seconds < 1) return three_digits(seconds * 1e3) + " ms";
  return three_digits(seconds) + " s";
}

std::string age_text(double seconds) {
  struct Unit {
    long seconds;
    const char* name;
  };
  constexpr std::array<Unit, 4> units{{{86'400, "d"}, {3'600, "h"}, {60, "min"}, {1, "s"}}};
  const auto whole = static_cast<long>(std::max(seconds, 0.0));
  for (std::size_t i = 0; i + 1 < units.size(); ++i) {
    if (whole < units[i].seconds) continue;
    const long rest = whole % units[i].seconds / units[i + 1].seconds;
    const std::string text = fmt::format("{} {}", whole / units[i].seconds, units[i].name);
    return rest == 0 ? text : fmt::format("{} {} {}", text, rest, units[i + 1].name);
  }
  return fmt::format("{} s", whole);
}

}  // namespace portshare
