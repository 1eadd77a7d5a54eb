#include "core/source_table.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/random.h"

namespace portshare {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Answer = SourceTable::Answer;

constexpr SipKey key{1, 2};
constexpr std::size_t plenty = 1'000;

IpAddress address(const std::string& text) {
  return *IpAddress::parse(text);
}

// The reference implementation's vector for 16 bytes 00 to 0f, with the key 00 to 0f.
TEST(SipHash, IsTheReferences) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(siphash({0x0706050403020100U, 0x0f0e0d0c0b0a0908U}, bytes), 0x3f2acc7f57c29bdbU);
  EXPECT_NE(siphash({0x0706050403020100U, 0x0f0e0d0c0b0a0909U}, bytes), 0x3f2acc7f57c29bdbU);
}

TEST(SourceTable, CountsOpenConnectionsBySource) {
  SourceTable table({.max_open = 2}, plenty, key);
  const auto one = table.admit(address("192.0.2.1"), seconds{1});
  const auto two = table.admit(address("192.0.2.1"), seconds{1});
  EXPECT_EQ(one.answer, Answer::admitted);
  EXPECT_EQ(two.answer, Answer::admitted);
  EXPECT_EQ(table.admit(address("192.0.2.1"), seconds{1}).answer, Answer::too_many);
  const auto other = table.admit(address("192.0.2.2"), seconds{1});
  EXPECT_EQ(other.answer, Answer::admitted);

  table.leave(*one.source);
  const auto again = table.admit(address("192.0.2.1"), seconds{1});
  EXPECT_EQ(again.answer, Answer::admitted);
  EXPECT_EQ(table.admit(address("192.0.2.1"), hours{1}).answer, Answer::too_many) << "time does not help";
  for (const auto& admission : {two, other, again}) table.leave(*admission.source);
  EXPECT_EQ(table.size(), 0U);
}

TEST(SourceTable, TakesAnIpv6NetworkForOneSource) {
  EXPECT_EQ(SourceTable::source_of(address("2001:db8:1:2:3:4:5:6")), address("2001:db8:1:2::"));
  EXPECT_EQ(SourceTable::source_of(address("192.0.2.1")), address("192.0.2.1"));
  SourceTable table({.max_open = 1}, plenty, key);
  const auto one = table.admit(address("2001:db8:1:2::1"), seconds{1});
  EXPECT_EQ(table.admit(address("2001:db8:1:2:ffff::9"), seconds{1}).answer, Answer::too_many);
  const auto neighbour = table.admit(address("2001:db8:1:3::1"), seconds{1});
  const auto v4 = table.admit(address("::ffff:192.0.2.1"), seconds{1});
  EXPECT_EQ(neighbour.answer, Answer::admitted);
  EXPECT_EQ(v4.answer, Answer::admitted);
  for (const auto& admission : {one, neighbour, v4}) table.leave(*admission.source);
}

/// Opens a connection that ends at once.
bool visit(SourceTable& table, const IpAddress& source, microseconds now) {
  const auto admission = table.admit(source, now);
  if (admission.source) table.leave(*admission.source);
  return admission.answer == Answer::admitted;
}

TEST(SourceTable, LetsABurstThroughAndThenAnEvenPace) {
  SourceTable table({.new_connections = {.count = 10, .period = seconds{1}}}, plenty, key);
  const IpAddress source = address("192.0.2.1");
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(visit(table, source, seconds{5})) << i;
  EXPECT_EQ(table.admit(source, seconds{5}).answer, Answer::too_fast);
  EXPECT_FALSE(visit(table, source, milliseconds{5'099}));
  EXPECT_TRUE(visit(table, source, milliseconds{5'100})) << "a token has come back";
  EXPECT_FALSE(visit(table, source, milliseconds{5'100}));
  EXPECT_TRUE(visit(table, address("192.0.2.2"), milliseconds{5'100}));
  int admitted = 0;
  for (int ms = 5'200; ms < 15'200; ++ms) admitted += visit(table, source, milliseconds{ms});
  EXPECT_EQ(admitted, 100) << "ten a second, however often it asks";
}

TEST(SourceTable, KnowsPeriodsOtherThanASecond) {
  SourceTable table({.new_connections = {.count = 2, .period = minutes{1}}}, plenty, key);
  const IpAddress source = address("192.0.2.1");
  EXPECT_TRUE(visit(table, source, seconds{100}));
  EXPECT_TRUE(visit(table, source, seconds{100}));
  EXPECT_FALSE(visit(table, source, seconds{129}));
  EXPECT_TRUE(visit(table, source, seconds{130}));
}

TEST(SourceTable, RefusedForItsOpenOnesASourceKeepsItsTokens) {
  SourceTable table({.max_open = 1, .new_connections = {.count = 2, .period = hours{1}}}, plenty, key);
  const IpAddress source = address("192.0.2.1");
  const auto open = table.admit(source, seconds{1});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(table.admit(source, seconds{1}).answer, Answer::too_many);
  table.leave(*open.source);
  EXPECT_TRUE(visit(table, source, seconds{1}));
  EXPECT_EQ(table.admit(source, seconds{1}).answer, Answer::too_fast);
}

TEST(SourceTable, ToleratesAClockThatIsALittleBehind) {
  SourceTable table({.new_connections = {.count = 2, .period = seconds{1}}}, plenty, key);
  const IpAddress source = address("192.0.2.1");
  EXPECT_TRUE(visit(table, source, milliseconds{5'000}));
  EXPECT_FALSE(visit(table, source, milliseconds{4'999})) << "a little too strict, never too lax";
  EXPECT_TRUE(visit(table, source, milliseconds{5'000}));
}

TEST(SourceTable, ForgetsASourceOnceThatChangesNothing) {
  SourceTable table({.new_connections = {.count = 1, .period = seconds{1}}}, plenty, key);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(visit(table, IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(i)}), seconds{1}));
  }
  EXPECT_EQ(table.idle_count(), 10U);
  EXPECT_FALSE(visit(table, address("192.0.2.3"), milliseconds{1'999}));
  EXPECT_EQ(table.size(), 10U);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(visit(table, IpAddress::v4({192, 0, 2, 100}), seconds{2 + i}));
  }
  EXPECT_EQ(table.size(), 1U);
}

TEST(SourceTable, AtItsBoundForgetsTheSourceIdleForLongest) {
  SourceTable table({.new_connections = {.count = 1, .period = hours{1}}}, 3, key);
  const auto connected = table.admit(address("192.0.2.9"), seconds{1});
  for (const char* text : {"192.0.2.1", "192.0.2.2", "192.0.2.3"}) visit(table, address(text), seconds{1});
  EXPECT_EQ(table.size(), 4U);
  EXPECT_TRUE(visit(table, address("192.0.2.4"), seconds{1}));
  EXPECT_EQ(table.size(), 4U);
  EXPECT_EQ(table.idle_count(), 3U);
  EXPECT_FALSE(visit(table, address("192.0.2.2"), seconds{1}));
  EXPECT_FALSE(visit(table, address("192.0.2.9"), seconds{1})) << "one with a connection is never forgotten";
  EXPECT_TRUE(visit(table, address("192.0.2.1"), seconds{1})) << "forgotten, so its bucket is full";
  table.leave(*connected.source);
}

/// The table beside the plainest thing that counts the same.
TEST(SourceTable, AgreesWithAPlainCount) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const SourceLimits limits{
        .max_open = static_cast<std::uint32_t>(random.below(4)),
        .new_connections = {.count = static_cast<std::uint32_t>(random.below(5)), .period = seconds{1}}};
    SourceTable table(limits, plenty, {seed, seed});
    std::map<IpAddress, std::uint32_t> open;
    std::map<IpAddress, std::deque<microseconds>> recent;  // the admitted ones
    std::deque<SourceTable::Source*> connections;
    microseconds now{1'000'000};
    for (int step = 0; step < 2'000; ++step) {
      now += microseconds{random.below(50'000)};
      if (!connections.empty() && random.chance(1, 2)) {
        SourceTable::Source* leaving = connections.front();
        connections.pop_front();
        --open[leaving->address];
        table.leave(*leaving);
        continue;
      }
      const IpAddress source = IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(random.below(6))});
      const auto admission = table.admit(source, now);
      const bool is_full = limits.max_open != 0 && open[source] >= limits.max_open;
      ASSERT_EQ(admission.answer == Answer::too_many, is_full);
      if (!admission.source) continue;
      ASSERT_LE(++open[source], limits.max_open == 0 ? UINT32_MAX : limits.max_open);
      connections.push_back(admission.source);
      if (limits.new_connections.count == 0) continue;
      // A full bucket and what has come in since: never more within any second than twice the count.
      auto& times = recent[source];
      times.push_back(now);
      while (times.front() <= now - seconds{1}) times.pop_front();
      ASSERT_LE(times.size(), 2 * limits.new_connections.count);
    }
    for (SourceTable::Source* source : connections) table.leave(*source);
    EXPECT_EQ(table.size(), table.idle_count());
  }
}

}  // namespace
}  // namespace portshare
