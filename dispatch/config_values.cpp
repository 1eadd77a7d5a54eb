#include "dispatch/config_values.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

namespace portshare {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Largest first, for duration_text() and size_text().
constexpr std::array duration_units{Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1'000}, Unit{"ms", 1}};
constexpr std::array size_units{Unit{"GiB", std::uint64_t{1} << 30}, Unit{"MiB", std::uint64_t{1} << 20},
                                Unit{"KiB", std::uint64_t{1} << 10}, Unit{"B", 1}};
constexpr std::array rate_units{Unit{"/s", 1'000}, Unit{"/m", 60'000}, Unit{"/h", 3'600'000}};
constexpr std::uint64_t highest_rate = 1'000'000;
constexpr std::uint64_t longest_duration_ms = 365ULL * 24 * 3'600'000;

struct Quantity {
  std::uint64_t number;
  std::string_view unit;
};

/// Digits, then whatever follows. Numbers too large for 64 bits are none.
std::optional<Quantity> split_quantity(std::string_view text) {
  Quantity quantity{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), quantity.number);
  if (error != std::errc{}) return std::nullopt;
  quantity.unit = text.substr(static_cast<std::size_t>(end - text.data()));
  return quantity;
}

template <std::size_t Count>
std::optional<std::uint64_t> factor_of(const std::array<Unit, Count>& units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return std::nullopt;
}

template <std::size_t Count>
std::string quantity_text(const std::array<Unit, Count>& units, std::uint64_t number, std::string_view zero) {
  if (number == 0) return std::string(zero);
  for (const Unit& unit : units) {
    if (number % unit.factor == 0) return fmt::format("{}{}", number / unit.factor, unit.name);
  }
  return {};  // not reached: the last unit's factor is 1
}

}  // namespace

std::expected<std::chrono::milliseconds, std::string> parse_duration(std::string_view text) {
  const auto quantity = split_quantity(text);
  const auto factor = quantity ? factor_of(duration_units, quantity->unit) : std::nullopt;
  if (!factor) {
    return std::unexpected(fmt::format(
        "is no duration: '{}'; write a whole number and ms, s, m or h, such as \"250ms\" or \"5s\"", text));
  }
  if (quantity->number > longest_duration_ms / *factor) {
    return std::unexpected(
        fmt::format("is too long: '{}'; the longest duration is 365 days, \"8760h\"", text));
  }
  return std::chrono::milliseconds(quantity->number * *factor);
}

std::expected<std::uint64_t, std::string> parse_size(std::string_view text) {
  const auto quantity = split_quantity(text);
  auto factor = quantity ? factor_of(size_units, quantity->unit) : std::nullopt;
  if (quantity && quantity->unit.empty()) factor = 1;
  if (!factor) {
    return std::unexpected(fmt::format(
        "is no size: '{}'; write a whole number and B, KiB, MiB or GiB, such as \"64KiB\"", text));
  }
  if (quantity->number > UINT64_MAX / *factor) {
    return std::unexpected(fmt::format("is too large: '{}'", text));
  }
  return quantity->number * *factor;
}

std::expected<Rate, std::string> parse_rate(std::string_view text) {
  const auto quantity = split_quantity(text);
  const auto period_ms = quantity ? factor_of(rate_units, quantity->unit) : std::nullopt;
  if (!period_ms) {
    return std::unexpected(
        fmt::format("is no rate: '{}'; write a whole number per second, minute or hour, such as \"100/s\", "
                    "\"10/m\" or \"5/h\"",
                    text));
  }
  if (quantity->number > highest_rate) {
    return std::unexpected(fmt::format("is too high: '{}'; the highest rate is {}{}, and 0{} is no limit",
                                       text, highest_rate, quantity->unit, quantity->unit));
  }
  return Rate{.count = static_cast<std::uint32_t>(quantity->number),
              .period = std::chrono::milliseconds(*period_ms)};
}

std::string duration_text(std::chrono::milliseconds duration) {
  return quantity_text(duration_units, static_cast<std::uint64_t>(duration.count()), "0s");
}

std::string size_text(std::uint64_t bytes) {
  return quantity_text(size_units, bytes, "0B");
}

}  // namespace portshare
