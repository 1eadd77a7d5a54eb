#include "dispatch/config_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace portshare {
namespace {

using namespace std::chrono_literals;

TEST(ConfigValues, Durations) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("5s"), 5s);
  EXPECT_EQ(parse_duration("10m"), 10min);
  EXPECT_EQ(parse_duration("1h"), 1h);
  EXPECT_EQ(parse_duration("0s"), 0s);
  EXPECT_EQ(parse_duration("8760h"), 8760h);
  for (const char* text : {"", "5", "s", "5 s", " 5s", "5S", "-5s", "+5s", "1.5s", "1m30s", "8761h",
                           "99999999999999999999s", "18446744073709551615h", "5d"}) {
    EXPECT_FALSE(parse_duration(text).has_value()) << text;
  }
}

TEST(ConfigValues, Sizes) {
  EXPECT_EQ(parse_size("64KiB"), 65536U);
  EXPECT_EQ(parse_size("1MiB"), 1048576U);
  EXPECT_EQ(parse_size("2GiB"), 2147483648U);
  EXPECT_EQ(parse_size("512B"), 512U);
  EXPECT_EQ(parse_size("512"), 512U);
  for (const char* text : {"", "KiB", "64KB", "64 KiB", "64k", "-1B", "17179869184GiB", "1.5MiB"}) {
    EXPECT_FALSE(parse_size(text).has_value()) << text;
  }
}

TEST(ConfigValues, Rates) {
  EXPECT_EQ(parse_rate("100/s"), (Rate{.count = 100, .period = 1s}));
  EXPECT_EQ(parse_rate("10/m"), (Rate{.count = 10, .period = 1min}));
  EXPECT_EQ(parse_rate("5/h"), (Rate{.count = 5, .period = 1h}));
  EXPECT_EQ(parse_rate("1000000/s"), (Rate{.count = 1'000'000, .period = 1s}));
  EXPECT_EQ(parse_rate("0/s")->count, 0U);
  for (const char* text : {"", "100", "/s", "100/d", "100/sec", "100 /s", "-1/s", "1.5/s", "1000001/s",
                           "4294967296/s", "99999999999999999999/s"}) {
    EXPECT_FALSE(parse_rate(text).has_value()) << text;
  }
}

TEST(ConfigValues, TextsAreTheShortest) {
  EXPECT_EQ(duration_text(0ms), "0s");
  EXPECT_EQ(duration_text(1500ms), "1500ms");
  EXPECT_EQ(duration_text(90s), "90s");
  EXPECT_EQ(duration_text(2h), "2h");
  EXPECT_EQ(size_text(0), "0B");
  EXPECT_EQ(size_text(1536), "1536B");
  EXPECT_EQ(size_text(1048576), "1MiB");
}

}  // namespace
}  // namespace portshare
