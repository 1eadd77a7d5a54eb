#include "dispatch/config_difference.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dispatch/config_reader.h"

namespace portshare {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::SizeIs;
using testing::StartsWith;

std::vector<std::string> changes(std::string_view before, std::string_view after) {
  const auto config = [](std::string_view more) {
    const std::string text = fmt::format(R"([listener.l]
bind = ["127.0.0.1:80"]
default = "b"
[backend.b]
servers = ["127.0.0.1:8080"]
{})",
                                         more);
    Config read = read_config(text, "f").config.value();
    digest_rules(read);
    return read;
  };
  return differences(config(before), config(after));
}

std::string routes(int first, int count) {
  std::string text;
  for (int i = first; i < first + count; ++i) {
    text += fmt::format("[[route]]\nname = [\"n{}.example\"]\nto = \"b\"\n", i);
  }
  return text;
}

TEST(ConfigDifference, RoutesAreNamed) {
  EXPECT_THAT(changes("", "[[route]]\nname = [\"a.example\"]\nto = \"b\"\n"),
              ElementsAre("routes: 1 new, 0 gone", "new route at line 6: name a.example: to b"));
  EXPECT_THAT(changes("[[route]]\nlistener = [\"l\"]\nsni = [\"a.example\"]\nto = \"b\"\n",
                      "[[route]]\nlistener = [\"l\"]\nsni = [\"a.example\"]\nreject = true\n"),
              ElementsAre("routes: 1 new, 1 gone", "gone route at line 6: sni a.example, listener l: to b",
                          "new route at line 6: sni a.example, listener l: reject"));
}

TEST(ConfigDifference, OneOfManyNamesMakesAnotherRoute) {
  const auto route = [](std::string_view last) {
    return fmt::format(
        "[[route]]\nname = [\"a.example\", \"b.example\", \"c.example\", \"{}\"]\nto = \"b\"\n", last);
  };
  EXPECT_THAT(changes(route("d.example"), route("e.example")),
              ElementsAre("routes: 1 new, 1 gone",
                          "gone route at line 6: name a.example, b.example, c.example and 1 more: to b",
                          "new route at line 6: name a.example, b.example, c.example and 1 more: to b"));
}

TEST(ConfigDifference, ARouteThatHasOnlyMovedIsTheSame) {
  EXPECT_THAT(changes(routes(0, 2), "\n\n" + routes(1, 1) + routes(0, 1)), ElementsAre());
}

TEST(ConfigDifference, TwentyRoutesAreEnoughToRead) {
  const auto lines = changes(routes(0, 5), routes(0, 30));
  ASSERT_THAT(lines, SizeIs(22));
  EXPECT_EQ(lines.front(), "routes: 25 new, 0 gone");
  EXPECT_EQ(lines.back(), "and 5 more new routes");
  EXPECT_THAT(std::vector(lines.begin() + 1, lines.end() - 1), Each(StartsWith("new route at line ")));
}

TEST(ConfigDifference, OfManyRoutesTheNumbersAreTold) {
  EXPECT_THAT(changes(routes(0, 1001), routes(1, 1001)), ElementsAre("routes: 1 new, 1 gone"));
}

TEST(ConfigDifference, AnotherUserTakesAStart) {
  EXPECT_THAT(changes("", "[server]\nuser = \"nobody\"\nworkers = 3\n"),
              ElementsAre("server: workers: 0 -> 3, from the next start or upgrade on",
                          "server: user: who starts it -> nobody, from the next start on"));
}

}  // namespace
}  // namespace portshare
