// The small notations of the configuration file: durations, sizes, rates. Errors are the end of a sentence
// that begins with the name of the key.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "core/source_table.h"

namespace portshare {

/// "250ms", "5s", "10m", "1h". At most 365 days.
[[nodiscard]] std::expected<std::chrono::milliseconds, std::string> parse_duration(std::string_view text);

/// "512", "512B", "64KiB", "1MiB", "2GiB", in bytes.
[[nodiscard]] std::expected<std::uint64_t, std::string> parse_size(std::string_view text);

/// "100/s", "10/m", "5/h": at most a million in the period.
[[nodiscard]] std::expected<Rate, std::string> parse_rate(std::string_view text);

/// The shortest notation that parse_duration() reads as the same value.
[[nodiscard]] std::string duration_text(std::chrono::milliseconds duration);
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace portshare
