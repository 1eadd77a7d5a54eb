#include "dispatch/config_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace portshare {
namespace {

using testing::HasSubstr;

TEST(ConfigNames, AreNormalised) {
  const auto exact = [](std::string_view text) { return parse_name_matcher(text, NameSource::either)->text; };
  EXPECT_EQ(exact("Example.COM."), "example.com");
  EXPECT_EQ(exact("example.com:443"), "example.com");
  EXPECT_EQ(exact("straße.de"), "xn--strae-oqa.de");  // non-transitional
  EXPECT_EQ(exact("BÜCHER.example:443"), "xn--bcher-kva.example");
  EXPECT_EQ(exact("bücher。example"), "xn--bcher-kva.example");
  EXPECT_EQ(exact("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(exact("[2001:DB8:0::1]:443"), "2001:db8::1");
}

TEST(ConfigNames, Wildcards) {
  const auto matcher = parse_name_matcher("*.Example.com", NameSource::sni);
  EXPECT_EQ(matcher->kind, NameMatcher::Kind::wildcard);
  EXPECT_EQ(matcher->text, "example.com");
  for (const char* text : {"*", "*.", "*example.com", "a.*.com", "*.*.com", "*.192.0.2.1"}) {
    EXPECT_FALSE(parse_name_matcher(text, NameSource::either).has_value()) << text;
  }
}

TEST(ConfigNames, IllegalNames) {
  for (const std::string& text :
       {std::string(), std::string("."), std::string("a..b"), std::string("a b"), std::string("a/b"),
        std::string("a:b"), std::string("a:65536"), std::string(".example.com"), std::string("\xff.example"),
        std::string("ü\0.example", 11), std::string(64, 'a'),
        std::string("x.") + std::string(64, 'a') + ".y"}) {
    EXPECT_FALSE(parse_name_matcher(text, NameSource::either).has_value()) << text;
  }
  EXPECT_TRUE(parse_name_matcher(std::string(63, 'a') + ".b", NameSource::either).has_value());
}

TEST(ConfigNames, AnAddressIsNoServerName) {
  EXPECT_THAT(parse_name_matcher("192.0.2.1", NameSource::sni).error(),
              HasSubstr("destination = [\"192.0.2.1\"]"));
  EXPECT_FALSE(parse_name_matcher("2001:db8::1", NameSource::sni).has_value());
  EXPECT_TRUE(parse_name_matcher("192.0.2.1", NameSource::host).has_value());
}

TEST(ConfigNames, PatternsAreSearchedWithoutCase) {
  const auto matcher = parse_name_matcher("~API[0-9]", NameSource::either);
  ASSERT_TRUE(matcher.has_value());
  EXPECT_TRUE(matcher->pattern->matches("www.api7.example"));
  EXPECT_FALSE(matcher->pattern->matches("www.api.example"));
  EXPECT_EQ(matcher->pattern->text(), "~API[0-9]");
}

TEST(ConfigNames, IllegalPatternsSayWhy) {
  EXPECT_THAT(parse_name_matcher("~(", NameSource::either).error(), HasSubstr("missing )"));
  EXPECT_FALSE(parse_name_matcher("~", NameSource::either).has_value());
  EXPECT_THAT(parse_name_matcher("~bücher", NameSource::either).error(), HasSubstr("A-labels"));
  EXPECT_FALSE(parse_name_matcher("~(?=a)", NameSource::either).has_value());  // RE2 has no look-ahead
}

}  // namespace
}  // namespace portshare
