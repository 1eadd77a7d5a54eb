// Durations, sizes and counts as people write them, in both directions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/clock.h"

namespace portshare {

/// "250ms", "5s", "1.5s", "10m", "1h", "20us"; a number alone is seconds.
[[nodiscard]] std::optional<nanoseconds> parse_duration(std::string_view text);

/// "4096", "64KiB", "1MiB", "2GiB", and in powers of ten "64k", "10M", "1G" with or without a B.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

/// "1,234,567".
[[nodiscard]] std::string format_count(std::uint64_t count);
/// Three significant digits and a unit: "843 ns", "12.3 µs", "1.50 ms", "2.00 s".
[[nodiscard]] std::string format_duration(double count_ns);
/// In powers of ten: "1.02 kB", "35.1 MB".
[[nodiscard]] std::string format_bytes(double bytes);
/// Three significant digits, grouped: "12,300", "0.707".
[[nodiscard]] std::string format_number(double number);

}  // namespace portshare
