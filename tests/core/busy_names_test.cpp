#include "core/busy_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "core/random.h"

namespace portshare {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

MATCHER_P2(Named, name, count, "") {
  return arg.name == name && arg.count == static_cast<std::uint64_t>(count);
}

std::vector<BusyName> busiest(BusyNames& names, microseconds now, std::size_t limit = 10) {
  return busiest_of({names.counts(now)}, limit);
}

TEST(BusyNames, CountsNames) {
  BusyNames names;
  for (const char* name :
       {"b.example", "a.example", "b.example", "", "c.example", "a.example", "b.example"}) {
    names.count(name, seconds{1});
  }
  EXPECT_THAT(busiest(names, seconds{2}),
              ElementsAre(Named("b.example", 3), Named("a.example", 2), Named("c.example", 1)));
  EXPECT_THAT(busiest(names, seconds{2}, 1), ElementsAre(Named("b.example", 3)));
}

TEST(BusyNames, ForgetsWhatIsLongAgo) {
  BusyNames names;
  names.count("old.example", seconds{100});
  names.count("new.example", seconds{111});
  EXPECT_THAT(busiest(names, seconds{112}), ElementsAre(Named("new.example", 1), Named("old.example", 1)));
  EXPECT_THAT(busiest(names, seconds{122}), ElementsAre(Named("new.example", 1)));
  EXPECT_THAT(busiest(names, seconds{200}), IsEmpty());
}

TEST(BusyNames, SaysOverWhichTimeItHasCounted) {
  BusyNames names;
  names.count("a.example", seconds{50});
  EXPECT_EQ(names.counts(seconds{54}).time, seconds{4});
  names.count("a.example", seconds{61});
  EXPECT_EQ(names.counts(seconds{64}).time, seconds{14});
  EXPECT_LE(names.counts(seconds{500}).time, 2 * BusyNames::window);
}

TEST(BusyNames, ABusyNameStaysAmongAMillionRareOnes) {
  BusyNames names;
  Random random(1);
  for (int i = 0; i < 100'000; ++i) {
    names.count("rare" + std::to_string(random.below(1'000'000)) + ".example", seconds{1});
    if (i % 20 == 0) names.count("busy.example", seconds{1});
  }
  const auto found = busiest(names, seconds{1}, 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "busy.example");
  EXPECT_GE(found[0].count, 5'000U);
  EXPECT_LT(found[0].count, 6'000U) << "too high by no more than the rarest of its set";
}

TEST(BusyNames, AddsUpWhatSeveralWorkersHaveCounted) {
  BusyNames one;
  BusyNames other;
  one.count("a.example", seconds{1});
  other.count("a.example", seconds{1});
  other.count("b.example", seconds{1});
  EXPECT_THAT(busiest_of({one.counts(seconds{1}), other.counts(seconds{1})}, 5),
              ElementsAre(Named("a.example", 2), Named("b.example", 1)));
}

}  // namespace
}  // namespace portshare
