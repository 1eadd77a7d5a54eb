#include "core/suggestion.h"

#include <gtest/gtest.h>

#include <array>

namespace portshare {
namespace {

constexpr std::array<std::string_view, 4> words{"listener", "route", "backend", "server"};

TEST(Suggestion, FindsNearMisses) {
  EXPECT_EQ(suggest("lisener", words), "; did you mean 'listener'?");  // a letter missing
  EXPECT_EQ(suggest("routee", words), "; did you mean 'route'?");      // one too many
  EXPECT_EQ(suggest("bakcend", words), "; did you mean 'backend'?");   // two swapped
  EXPECT_EQ(suggest("sarver", words), "; did you mean 'server'?");     // a wrong one
  EXPECT_EQ(suggest("list", words), "; did you mean 'listener'?");     // the beginning
}

TEST(Suggestion, IsSilentAboutFarOnes) {
  EXPECT_EQ(suggest("health", words), "");
  EXPECT_EQ(suggest("", words), "");
  EXPECT_EQ(suggest("r", words), "");
}

TEST(Suggestion, PrefersTheNearest) {
  constexpr std::array<std::string_view, 3> near{"webs", "weba", "web"};
  EXPECT_EQ(suggest("wb", near), "; did you mean 'web'?");
}

}  // namespace
}  // namespace portshare
