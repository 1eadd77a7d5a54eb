#include "bench/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

namespace portshare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Comparison, ReadsContestants) {
  const auto plain = parse_contestant("old=127.0.0.1:443");
  ASSERT_TRUE(plain) << plain.error();
  EXPECT_EQ(plain->name, "old");
  EXPECT_THAT(plain->targets, ElementsAre("127.0.0.1:443"));
  const auto full =
      parse_contestant("new=[::1]:443,unix:/run/x.sock,pid=12,pid=13,command=run -a x=1,b --pid=7");
  ASSERT_TRUE(full) << full.error();
  EXPECT_THAT(full->targets, ElementsAre("[::1]:443", "unix:/run/x.sock"));
  EXPECT_THAT(full->pids, ElementsAre(12, 13));
  EXPECT_EQ(full->command, "run -a x=1,b --pid=7");
  for (const char* wrong :
       {"", "x", "=127.0.0.1:1", "x=", "x=pid=3", "x=1.2.3.4:5,pid=abc", "x=1.2.3.4:5,pid=-1"})
    EXPECT_FALSE(parse_contestant(wrong)) << wrong;
}

TEST(Comparison, EachRoundBeginsWithAnother) {
  EXPECT_THAT(order_of_round(0, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(order_of_round(1, 3), ElementsAre(1, 2, 0));
  EXPECT_THAT(order_of_round(5, 3), ElementsAre(2, 0, 1));
}

TEST(Comparison, MedianAndSpread) {
  EXPECT_EQ(spread_of({}).median, 0);
  const Spread odd = spread_of({3, 1, 2});
  EXPECT_EQ(odd.median, 2);
  EXPECT_EQ(odd.least, 1);
  EXPECT_EQ(odd.most, 3);
  EXPECT_EQ(spread_of({4, 1, 2, 3}).median, 2.5);
}

TEST(Comparison, RatiosArePairedByRound) {
  const std::vector<double> base{10, 20, 0, 40};
  const std::vector<double> values{5, 20, 7, 80};
  EXPECT_THAT(paired_ratios(values, base), ElementsAre(0.5, 1.0, 2.0));
}

LoadResult round_with(std::uint64_t completed, std::uint64_t cpu_us_each) {
  LoadResult result;
  result.elapsed = std::chrono::seconds{1};
  result.statistics.completed = completed;
  for (std::uint64_t i = 0; i < completed; ++i) result.statistics.latency.record(1000 * (i + 1));
  result.server_cpu = std::chrono::microseconds{cpu_us_each * completed};
  result.generator_cpu = std::chrono::microseconds{10 * completed};
  return result;
}

TEST(Comparison, ReportsWhatTheRoundsGave) {
  LoadSettings settings;
  settings.duration = std::chrono::seconds{1};
  const std::vector<Series> series{
      {.contestant = {.name = "old", .targets = {"127.0.0.1:1"}, .pids = {}, .command = {}},
       .rounds = {round_with(100, 40), round_with(200, 50), round_with(300, 60)}},
      {.contestant = {.name = "new", .targets = {"127.0.0.1:2"}, .pids = {}, .command = {}},
       .rounds = {round_with(200, 20), round_with(300, 30), round_with(300, 30)}}};
  const auto json = json_comparison(settings, series);
  EXPECT_EQ(json["base"], "old");
  EXPECT_EQ(json["rounds"], 3);
  const auto& metrics = json["servers"][1]["metrics"];
  EXPECT_DOUBLE_EQ(metrics["per_second"]["ratio"]["median"], 1.5);
  EXPECT_DOUBLE_EQ(metrics["server_cpu_us_per_unit"]["ratio"]["median"], 0.5);
  EXPECT_DOUBLE_EQ(metrics["server_cpu_us_per_unit"]["ratio"]["max"], 0.6);
  EXPECT_DOUBLE_EQ(metrics["all_cpu_us_per_unit"]["median"], 40);
  EXPECT_EQ(json["servers"][1]["latency"]["count"], 800);
  EXPECT_EQ(json["servers"][0]["rounds"].size(), 3U);
  const std::string table = human_comparison(settings, series);
  EXPECT_THAT(table, HasSubstr("3 rounds of 1.00 s"));
  EXPECT_THAT(table, HasSubstr("server CPU, µs per connection (less is better)"));
  EXPECT_THAT(table, HasSubstr("ratio     0.500  (0.500 … 0.600)"));
}

TEST(Comparison, WithoutProcessesThereIsNoServerCpu) {
  std::set<std::string> names;
  for (const Metric& metric : metrics_of(LoadSettings{}, false)) names.insert(metric.name);
  EXPECT_TRUE(names.contains("per_second"));
  EXPECT_FALSE(names.contains("server_cpu_us_per_unit"));
}

}  // namespace
}  // namespace portshare
