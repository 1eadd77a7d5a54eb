#include "bench/quantities.h"

#include <gtest/gtest.h>

namespace portshare {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Quantities, ReadDurations) {
  EXPECT_EQ(parse_duration("10s"), seconds{10});
  EXPECT_EQ(parse_duration("10"), seconds{10});
  EXPECT_EQ(parse_duration("1.5s"), milliseconds{1500});
  EXPECT_EQ(parse_duration("250ms"), milliseconds{250});
  EXPECT_EQ(parse_duration("20us"), microseconds{20});
  EXPECT_EQ(parse_duration("2m"), minutes{2});
  EXPECT_EQ(parse_duration("1h"), hours{1});
  for (const char* wrong : {"", "s", "-1s", "1 s", "1x", "nan", "inf", "1e300h", "10ss"})
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

TEST(Quantities, ReadSizes) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("4096"), 4096U);
  EXPECT_EQ(parse_size("64KiB"), 65536U);
  EXPECT_EQ(parse_size("1MiB"), 1048576U);
  EXPECT_EQ(parse_size("10k"), 10'000U);
  EXPECT_EQ(parse_size("1.5MB"), 1'500'000U);
  EXPECT_EQ(parse_size("2G"), 2'000'000'000U);
  for (const char* wrong : {"", "k", "-1", "1.5", "1 k", "1KB2", "1e30"})
    EXPECT_FALSE(parse_size(wrong)) << wrong;
}

TEST(Quantities, AreWrittenForPeople) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_duration(843), "843 ns");
  EXPECT_EQ(format_duration(12'345), "12.3 µs");
  EXPECT_EQ(format_duration(1'500'000), "1.50 ms");
  EXPECT_EQ(format_duration(999'900), "1.00 ms");
  EXPECT_EQ(format_duration(61e9), "61.0 s");
  EXPECT_EQ(format_bytes(35'100'000), "35.1 MB");
  EXPECT_EQ(format_number(12'345.6), "12,346");
  EXPECT_EQ(format_number(0.7071), "0.707");
  EXPECT_EQ(format_number(0), "0.00");
}

}  // namespace
}  // namespace portshare
