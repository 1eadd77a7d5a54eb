#include "bench/quantities.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <span>

namespace portshare {
namespace {

struct Unit {
  std::string_view name;
  double value;
};

constexpr std::array duration_units{Unit{"", 1e9},   Unit{"ns", 1},  Unit{"us", 1e3}, Unit{"µs", 1e3},
                                    Unit{"ms", 1e6}, Unit{"s", 1e9}, Unit{"m", 60e9}, Unit{"h", 3600e9}};
constexpr std::array size_units{Unit{"", 1},          Unit{"B", 1},           Unit{"k", 1e3},
                                Unit{"kB", 1e3},      Unit{"M", 1e6},         Unit{"MB", 1e6},
                                Unit{"G", 1e9},       Unit{"GB", 1e9},        Unit{"KiB", 1024},
                                Unit{"MiB", 1048576}, Unit{"GiB", 1073741824}};

std::optional<double> parse(std::string_view text, std::span<const Unit> units) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number) || number < 0) return std::nullopt;
  const std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units)
    if (unit.name == rest) return number * unit.value;
  return std::nullopt;
}

/// Three significant digits.
std::string three_digits(double number) {
  const double size = std::abs(number);
  const int decimals = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 || size == 0 ? 2 : 3;
  return fmt::format("{:.{}f}", number, decimals);
}

std::string with_unit(double number, std::span<const Unit> units) {
  const Unit* best = &units.front();
  for (const Unit& unit : units)
    if (number >= unit.value * 0.9995) best = &unit;
  return fmt::format("{} {}", three_digits(number / best->value), best->name);
}

}  // namespace

std::optional<nanoseconds> parse_duration(std::string_view text) {
  constexpr double longest = 365.0 * 24 * 3600e9;
  const auto value = parse(text, duration_units);
  if (!value || *value > longest) return std::nullopt;
  return nanoseconds(static_cast<nanoseconds::rep>(std::llround(*value)));
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr double most = 1e18;
  const auto value = parse(text, size_units);
  if (!value || *value > most || *value != std::floor(*value)) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

std::string format_count(std::uint64_t count) {
  std::string digits = fmt::format("{}", count);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string format_duration(double count_ns) {
  constexpr std::array units{Unit{"ns", 1}, Unit{"µs", 1e3}, Unit{"ms", 1e6}, Unit{"s", 1e9}};
  return with_unit(count_ns, units);
}

std::string format_bytes(double bytes) {
  constexpr std::array units{Unit{"B", 1}, Unit{"kB", 1e3}, Unit{"MB", 1e6}, Unit{"GB", 1e9},
                             Unit{"TB", 1e12}};
  return with_unit(bytes, units);
}

std::string format_number(double number) {
  if (number >= 999.5) return format_count(static_cast<std::uint64_t>(std::llround(number)));
  return three_digits(number);
}

}  // namespace portshare
