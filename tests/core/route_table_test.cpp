#include "core/route_table.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/core/route_test_support.h"

namespace portshare {
namespace {

using route_test::alpn_list;
using route_test::destination_matcher;
using route_test::name_matcher;

using Texts = std::vector<std::string>;

struct Matchers {
  Texts destination = {};
  Texts name = {};
  Texts sni = {};
  Texts host = {};
  Texts alpn = {};
  Texts source = {};
  std::vector<Protocol> protocol = {};
  std::vector<std::uint32_t> listener = {};
};

RouteRule rule_of(const Matchers& matchers, std::uint32_t line) {
  RouteRule rule;
  rule.listeners = matchers.listener;
  for (const auto& text : matchers.destination) rule.destinations.push_back(destination_matcher(text));
  for (const auto& text : matchers.name) rule.names.push_back(name_matcher(text));
  for (const auto& text : matchers.sni) rule.names.push_back(name_matcher(text));
  for (const auto& text : matchers.host) rule.names.push_back(name_matcher(text));
  if (!matchers.sni.empty()) rule.name_source = NameSource::sni;
  if (!matchers.host.empty()) rule.name_source = NameSource::host;
  rule.alpn = matchers.alpn;
  for (const auto& text : matchers.source) rule.sources.push_back(*IpPrefix::parse(text));
  rule.protocols = matchers.protocol;
  rule.backend = line;
  rule.line = line;
  return rule;
}

/// Rules with the lines 1, 2, 3, …
std::vector<RouteRule> rules_of(const std::vector<Matchers>& list) {
  std::vector<RouteRule> rules;
  rules.reserve(list.size());
  for (const Matchers& matchers : list)
    rules.push_back(rule_of(matchers, static_cast<std::uint32_t>(rules.size() + 1)));
  return rules;
}

struct Ask {
  std::string destination = "192.0.2.1:443";
  std::string sni = "";
  std::string host = "";
  Texts alpn = {};
  std::string source = "203.0.113.9";
  Protocol protocol = Protocol::tls;
  bool name_is_address = false;
  std::uint32_t listener = 0;
};

/// Calls use(query) with a query that owns nothing.
template <class Use>
auto with_query(const Ask& ask, Use use) {
  const std::string alpn = alpn_list(ask.alpn);
  RouteQuery query;
  query.destination = IpEndpoint::parse(ask.destination);
  query.source = IpAddress::parse(ask.source);
  query.protocol = ask.protocol;
  query.name = ask.sni.empty() ? ask.host : ask.sni;
  query.name_source = ask.sni.empty() ? NameSource::host : NameSource::sni;
  query.name_is_address = ask.name_is_address;
  query.alpn = as_bytes(alpn);
  return use(query);
}

/// The line of the winner; 0: none.
std::uint32_t find(const RouteTable& table, const Ask& ask) {
  return with_query(ask, [&](const RouteQuery& query) {
    const Route* route = table.find(ask.listener, query);
    return route != nullptr ? route->line : 0U;
  });
}

RouteTable table_of(const std::vector<RouteRule>& rules, std::uint32_t listeners = 1) {
  auto table = RouteTable::build(rules, listeners);
  EXPECT_TRUE(table) << (table ? "" : table.error().front().matchers);
  return table ? std::move(*table) : RouteTable();
}

RouteTable table_with(const std::vector<Matchers>& list) {
  return table_of(rules_of(list));
}

TEST(RouteTable, without_rules_nothing_is_found) {
  EXPECT_EQ(find(RouteTable(), {}), 0U);
  EXPECT_EQ(find(table_of(std::vector<RouteRule>()), {.sni = "example.com"}), 0U);
}

TEST(RouteTable, names_from_exact_to_none) {
  const RouteTable table = table_with({{.name = {"www.example.com"}},
                                       {.name = {"*.example.com"}},
                                       {.name = {"*.com"}},
                                       {.name = {"~shop"}},
                                       {.name = {"~zz", "~sho"}},
                                       {}});
  EXPECT_EQ(find(table, {.sni = "www.example.com"}), 1U);
  EXPECT_EQ(find(table, {.sni = "a.b.example.com"}), 2U);
  EXPECT_EQ(find(table, {.sni = "example.com"}), 3U) << "a wildcard does not cover its own name";
  EXPECT_EQ(find(table, {.sni = "shop.example.org"}), 4U) << "the first in the file";
  EXPECT_EQ(find(table, {.sni = "shore.example.org"}), 5U);
  EXPECT_EQ(find(table, {.sni = "xexample.org"}), 6U);
  EXPECT_EQ(find(table, {.sni = "com"}), 6U);
  EXPECT_EQ(find(table, {}), 6U);
}

TEST(RouteTable, destinations_from_port_to_none) {
  const RouteTable table = table_with({{.destination = {"192.0.2.1:443"}},
                                       {.destination = {"192.0.2.1"}},
                                       {.destination = {"192.0.2.0/24"}},
                                       {.destination = {"192.0.0.0/16", "2001:db8::/32"}},
                                       {.destination = {"[2001:db8::1]:443"}},
                                       {}});
  EXPECT_EQ(find(table, {.destination = "192.0.2.1:443"}), 1U);
  EXPECT_EQ(find(table, {.destination = "192.0.2.1:80"}), 2U);
  EXPECT_EQ(find(table, {.destination = "192.0.2.2:443"}), 3U);
  EXPECT_EQ(find(table, {.destination = "192.0.3.1:443"}), 4U);
  EXPECT_EQ(find(table, {.destination = "[2001:db8::1]:443"}), 5U);
  EXPECT_EQ(find(table, {.destination = "[2001:db8::1]:80"}), 4U);
  EXPECT_EQ(find(table, {.destination = "198.51.100.1:443"}), 6U);
  EXPECT_EQ(find(table, {.destination = "unix"}), 6U) << "accepted on a unix socket";
}

TEST(RouteTable, a_destination_outranks_a_name_and_yields_when_the_rest_does_not_match) {
  const RouteTable table = table_with({{.destination = {"192.0.2.1"}, .name = {"*.com"}},
                                       {.destination = {"192.0.2.0/24"}, .name = {"www.example.com"}},
                                       {.name = {"example.org"}}});
  EXPECT_EQ(find(table, {.sni = "www.example.com"}), 1U);
  EXPECT_EQ(find(table, {.destination = "192.0.2.2:443", .sni = "www.example.com"}), 2U);
  EXPECT_EQ(find(table, {.sni = "example.org"}), 3U) << "two destinations match, none of their names does";
  EXPECT_EQ(find(table, {.sni = "example.net"}), 0U);
}

TEST(RouteTable, a_name_yields_when_the_rest_does_not_match) {
  const RouteTable table = table_with({{.name = {"www.example.com"}, .source = {"10.0.0.0/8"}},
                                       {.name = {"*.example.com"}, .alpn = {"h2"}},
                                       {.name = {"~www"}, .protocol = {Protocol::http}},
                                       {.source = {"10.0.0.0/8"}}});
  EXPECT_EQ(find(table, {.sni = "www.example.com", .source = "10.1.1.1"}), 1U);
  EXPECT_EQ(find(table, {.sni = "www.example.com", .alpn = {"h2"}}), 2U);
  EXPECT_EQ(find(table, {.host = "www.example.com", .protocol = Protocol::http}), 3U);
  EXPECT_EQ(find(table, {.sni = "example.org", .source = "10.1.1.1"}), 4U);
  EXPECT_EQ(find(table, {.sni = "www.example.com"}), 0U);
}

TEST(RouteTable, alpn_then_source_then_protocol) {
  const RouteTable table = table_with({{.alpn = {"acme-tls/1"}},
                                       {.source = {"10.0.0.0/8"}},
                                       {.source = {"10.1.0.0/16"}},
                                       {.source = {"10.1.0.0/16"}, .protocol = {Protocol::ssh}},
                                       {.protocol = {Protocol::tls, Protocol::http}},
                                       {}});
  EXPECT_EQ(find(table, {.alpn = {"h2", "acme-tls/1"}, .source = "10.1.0.1"}), 1U);
  EXPECT_EQ(find(table, {.alpn = {"h2"}, .source = "10.2.0.1"}), 2U);
  EXPECT_EQ(find(table, {.source = "10.1.0.1"}), 3U);
  EXPECT_EQ(find(table, {.source = "10.1.0.1", .protocol = Protocol::ssh}), 4U);
  EXPECT_EQ(find(table, {.protocol = Protocol::http}), 5U);
  EXPECT_EQ(find(table, {.protocol = Protocol::ssh}), 6U);
  EXPECT_EQ(find(table, {.source = "unix", .protocol = Protocol::any}), 6U);
}

TEST(RouteTable, the_clients_order_decides_among_alpn_routes) {
  const RouteTable table = table_with({{.alpn = {"h2"}}, {.alpn = {"http/1.1"}}});
  EXPECT_EQ(find(table, {.alpn = {"h2", "http/1.1"}}), 1U);
  EXPECT_EQ(find(table, {.alpn = {"x", "http/1.1", "h2"}}), 2U);
  EXPECT_EQ(find(table, {.alpn = {"x"}}), 0U);
  EXPECT_EQ(find(table, {}), 0U);
}

TEST(RouteTable, sni_and_host_look_at_one_source_and_beat_name_among_equals) {
  const RouteTable table =
      table_with({{.name = {"a.test"}}, {.sni = {"a.test"}}, {.host = {"b.test"}}, {.name = {"*.test"}}});
  EXPECT_EQ(find(table, {.sni = "a.test"}), 2U);
  EXPECT_EQ(find(table, {.host = "a.test"}), 1U);
  EXPECT_EQ(find(table, {.host = "b.test"}), 3U);
  EXPECT_EQ(find(table, {.sni = "b.test"}), 4U);
}

TEST(RouteTable, an_sni_that_is_an_address_matches_no_name) {
  const RouteTable table = table_with({{.name = {"192.0.2.7"}}, {.name = {"~192"}}, {}});
  EXPECT_EQ(find(table, {.sni = "192.0.2.7", .name_is_address = true}), 3U);
  EXPECT_EQ(find(table, {.host = "192.0.2.7", .name_is_address = true}), 1U);
  EXPECT_EQ(find(table, {.host = "192.0.2.8", .name_is_address = true}), 2U);
}

TEST(RouteTable, listeners_are_apart) {
  const RouteTable table = table_of(rules_of({{.name = {"a.test"}, .listener = {0}},
                                              {.name = {"a.test"}, .listener = {1, 2}},
                                              {.name = {"b.test"}}}),
                                    4);
  EXPECT_EQ(find(table, {.sni = "a.test", .listener = 0}), 1U);
  EXPECT_EQ(find(table, {.sni = "a.test", .listener = 1}), 2U);
  EXPECT_EQ(find(table, {.sni = "a.test", .listener = 2}), 2U);
  EXPECT_EQ(find(table, {.sni = "a.test", .listener = 3}), 0U);
  for (std::uint32_t listener = 0; listener < 4; ++listener) {
    EXPECT_EQ(find(table, {.sni = "b.test", .listener = listener}), 3U);
  }
}

TEST(RouteTable, a_reject_is_a_route) {
  std::vector<RouteRule> rules = rules_of({{.name = {"a.test"}}});
  rules[0].backend = RouteRule::reject;
  const RouteTable table = table_of(rules);
  with_query({.sni = "a.test"},
             [&](const RouteQuery& query) { EXPECT_EQ(table.find(0, query)->backend, RouteRule::reject); });
}

TEST(RouteTable, wildcards_at_every_depth) {
  constexpr std::uint32_t deepest = 120;
  std::vector<RouteRule> rules;
  std::vector<std::string> suffixes = {"x"};
  for (std::uint32_t depth = 1; depth <= deepest; ++depth) {
    rules.push_back(rule_of({.name = {"*." + suffixes.back()}}, depth));
    suffixes.push_back("x." + suffixes.back());
  }
  const RouteTable table = table_of(rules);
  for (std::uint32_t depth = 1; depth <= deepest; ++depth) {
    EXPECT_EQ(find(table, {.sni = "a." + suffixes[depth - 1]}), depth);
    EXPECT_EQ(find(table, {.sni = "b.a." + suffixes[depth - 1]}), depth);
  }
}

struct ConflictCase {
  Matchers earlier;
  Matchers later;
  std::string matchers;  // empty: no conflict
};

TEST(RouteTable, conflicts) {
  const std::vector<ConflictCase> cases = {
      {{}, {}, "no matcher"},
      {{.name = {"a.test", "b.test"}}, {.name = {"c.test", "b.test"}}, "name b.test"},
      {{.name = {"*.test"}}, {.name = {"*.test"}}, "name *.test"},
      {{.name = {"~x"}}, {.name = {"~x"}}, "name ~x"},
      {{.name = {"~x"}}, {.name = {"~y"}}, ""},
      {{.name = {"a.test"}}, {.name = {"*.test"}}, ""},
      {{.name = {"test"}}, {.name = {"*.test"}}, ""},
      {{.name = {"a.test"}}, {.sni = {"a.test"}}, ""},
      {{.host = {"a.test"}}, {.sni = {"a.test"}}, ""},
      {{.sni = {"a.test"}}, {.sni = {"a.test"}}, "sni a.test"},
      {{.destination = {"192.0.2.1"}}, {.destination = {"192.0.2.1/32"}}, "destination 192.0.2.1"},
      {{.destination = {"192.0.2.1:80"}}, {.destination = {"192.0.2.1"}}, ""},
      {{.destination = {"192.0.2.1:80"}}, {.destination = {"192.0.2.1:80"}}, "destination 192.0.2.1:80"},
      {{.destination = {"10.0.0.0/8"}, .name = {"a.test"}},
       {.destination = {"10.0.0.0/9"}, .name = {"a.test"}},
       ""},
      {{.alpn = {"h2", "x"}}, {.alpn = {"x"}}, "alpn x"},
      {{.alpn = {"h2"}}, {}, ""},
      {{.source = {"10.0.0.0/8"}}, {.source = {"10.0.0.0/8", "::/0"}}, "source 10.0.0.0/8"},
      {{.source = {"0.0.0.0/0"}}, {}, ""},
      {{.protocol = {Protocol::tls, Protocol::http}}, {.protocol = {Protocol::http}}, "protocol http"},
      {{.name = {"a.test"}, .listener = {1}}, {.name = {"a.test"}}, "name a.test"},
      {{.name = {"a.test"}, .listener = {0}}, {.name = {"a.test"}, .listener = {1}}, ""},
      {{.destination = {"::1"},
        .name = {"a.test"},
        .alpn = {"h2"},
        .source = {"::/0"},
        .protocol = {Protocol::tls}},
       {.destination = {"::1"},
        .name = {"a.test"},
        .alpn = {"h2"},
        .source = {"::/0"},
        .protocol = {Protocol::tls}},
       "destination ::1, name a.test, alpn h2, source ::/0, protocol tls"},
  };
  for (const ConflictCase& c : cases) {
    for (const bool swapped : {false, true}) {
      const auto rules = swapped ? rules_of({c.later, c.earlier}) : rules_of({c.earlier, c.later});
      const auto table = RouteTable::build(rules, 2);
      ASSERT_EQ(table.has_value(), c.matchers.empty()) << (table ? c.matchers : table.error()[0].matchers);
      if (table) continue;
      ASSERT_EQ(table.error().size(), 1U) << c.matchers;
      EXPECT_EQ(table.error()[0].rule, 1U);
      EXPECT_EQ(table.error()[0].earlier, 0U);
      EXPECT_EQ(table.error()[0].matchers, c.matchers);
    }
  }
}

TEST(RouteTable, a_rule_that_gives_a_matcher_twice_conflicts_with_itself) {
  const std::vector<std::pair<Matchers, std::string>> cases = {
      {{.name = {"a.test", "b.test", "a.test"}}, "name a.test"},
      {{.name = {"~x", "~x"}}, "name ~x"},
      {{.destination = {"::1", "10.0.0.0/8", "::1"}, .name = {"a.test"}}, "destination ::1"},
      {{.name = {"a.test"}, .alpn = {"h2", "h2"}}, "alpn h2"},
      {{.source = {"10.0.0.0/8", "10.0.0.0/8"}}, "source 10.0.0.0/8"},
      {{.protocol = {Protocol::tls, Protocol::tls}}, "protocol tls"},
  };
  for (const auto& [matchers, words] : cases) {
    const auto table = RouteTable::build(rules_of({{.name = {"other.test"}}, matchers}), 1);
    ASSERT_FALSE(table) << words;
    ASSERT_EQ(table.error().size(), 1U) << words;
    EXPECT_EQ(table.error()[0].rule, 1U);
    EXPECT_EQ(table.error()[0].earlier, 1U);
    EXPECT_EQ(table.error()[0].matchers, words);
  }
}

TEST(RouteTable, at_most_a_hundred_conflicts_the_first_ones) {
  const auto table = RouteTable::build(rules_of(std::vector<Matchers>(300, {.name = {"a.test"}})), 3);
  ASSERT_FALSE(table);
  ASSERT_EQ(table.error().size(), 100U);
  for (std::uint32_t i = 0; i < 100; ++i) {
    EXPECT_EQ(table.error()[i].rule, i + 1);
    EXPECT_EQ(table.error()[i].earlier, 0U);
  }
}

TEST(RouteTable, a_million_names) {
  constexpr std::uint32_t count = 1'000'000;
  const auto name_of = [](std::uint32_t i) { return "host-" + std::to_string(i) + ".customers.example"; };
  std::vector<RouteRule> rules(count);
  RouteRule one_for_all;
  for (std::uint32_t i = 0; i < count; ++i) {
    rules[i].names.push_back({NameMatcher::Kind::exact, name_of(i), nullptr});
    rules[i].line = i + 1;
    one_for_all.names.push_back(rules[i].names[0]);
  }
  one_for_all.line = 7;
  const RouteTable many = table_of(rules, 2);
  const RouteTable one = table_of({one_for_all}, 2);
  for (std::uint32_t i = 0; i < count; i += 997) {
    EXPECT_EQ(find(many, {.sni = name_of(i), .listener = 1}), i + 1);
    EXPECT_EQ(find(one, {.sni = name_of(i)}), 7U);
  }
  EXPECT_EQ(find(many, {.sni = name_of(count)}), 0U);
  EXPECT_EQ(find(one, {.sni = name_of(count)}), 0U);
}

std::vector<std::string> explained(const std::vector<RouteRule>& rules, const Ask& ask,
                                   std::size_t limit = 100) {
  const RouteTable table = table_of(rules, 2);
  return with_query(ask, [&](const RouteQuery& query) {
    std::vector<std::string> lines;
    for (const RouteCandidate& candidate : table.explain(ask.listener, query, rules, limit)) {
      lines.push_back(std::to_string(rules[candidate.rule].line) + (candidate.won ? " won: " : " lost: ") +
                      candidate.reason);
    }
    return lines;
  });
}

TEST(RouteTable, explains_names_and_destinations) {
  const auto rules = rules_of({{.destination = {"192.0.2.20"}},
                               {},
                               {.name = {"*.example.com"}},
                               {.name = {"www.example.com"}},
                               {.name = {"~www"}},
                               {.name = {"~exa"}},
                               {.destination = {"127.0.0.0/8"}, .name = {"example.org"}},
                               {.destination = {"127.0.0.1:80", "::1", "::2", "::3", "::4"}},
                               {.name = {"a.test"}, .listener = {1}}});
  EXPECT_EQ(explained(rules, {.destination = "127.0.0.1:443", .sni = "www.example.com"}),
            (Texts{"4 won: matches by name www.example.com",
                   "3 lost: less specific: name *.example.com against www.example.com",
                   "5 lost: less specific: name ~www against www.example.com",
                   "6 lost: less specific: name ~exa against www.example.com",
                   "2 lost: less specific: no name against www.example.com",
                   "1 lost: destination 192.0.2.20 does not match 127.0.0.1",
                   "7 lost: name example.org does not match www.example.com",
                   "8 lost: destination 127.0.0.1:80, ::1, ::2 and 2 more does not match 127.0.0.1:443"}));
  EXPECT_EQ(explained(rules, {.destination = "127.0.0.1:80", .sni = "www.example.com"}, 3),
            (Texts{"8 won: matches by destination 127.0.0.1:80",
                   "4 lost: less specific: no destination against 127.0.0.1:80",
                   "3 lost: less specific: no destination against 127.0.0.1:80"}));
  EXPECT_EQ(explained(rules, {.destination = "127.0.0.1:443", .sni = "www.org"}, 3),
            (Texts{"5 won: matches by name ~www", "2 lost: less specific: no name against ~www",
                   "1 lost: destination 192.0.2.20 does not match 127.0.0.1"}));
  EXPECT_TRUE(explained(rules, {}, 0).empty());
}

TEST(RouteTable, explains_the_other_matchers) {
  const auto rules =
      rules_of({{},
                {.alpn = {"h2"}},
                {.alpn = {"http/1.1"}},
                {.alpn = {"acme-tls/1"}},
                {.source = {"10.0.0.0/8"}},
                {.source = {"10.1.0.0/16"}},
                {.protocol = {Protocol::tls}},
                {.protocol = {Protocol::http}},
                {.host = {"a.test"}},
                {.sni = {"a.test"}, .alpn = {"h2"}, .source = {"10.1.0.0/16"}, .protocol = {Protocol::ssh}}});
  EXPECT_EQ(
      explained(rules, {.alpn = {"http/1.1", "h2"}, .source = "10.1.0.1"}),
      (Texts{
          "3 won: matches by alpn http/1.1", "2 lost: offered later by the client: alpn h2 against http/1.1",
          "6 lost: less specific: no alpn against http/1.1",
          "5 lost: less specific: no alpn against http/1.1",
          "7 lost: less specific: no alpn against http/1.1",
          "1 lost: less specific: no alpn against http/1.1",
          "4 lost: alpn acme-tls/1 is not offered by the client", "8 lost: protocol http does not match tls",
          "9 lost: host a.test does not match a connection without a name",
          "10 lost: sni a.test does not match a connection without a name"}));
  EXPECT_EQ(explained(rules, {.sni = "a.test", .source = "10.1.0.1"}, 4),
            (Texts{"6 won: matches by source 10.1.0.0/16",
                   "5 lost: less specific: source 10.0.0.0/8 against 10.1.0.0/16",
                   "7 lost: less specific: no source against 10.1.0.0/16",
                   "1 lost: less specific: no source against 10.1.0.0/16"}));
  EXPECT_EQ(
      explained(rules, {.sni = "a.test", .source = "11.1.0.1"}),
      (Texts{"7 won: matches by protocol tls", "1 lost: less specific: no protocol against tls",
             "2 lost: alpn h2 is not offered by the client",
             "3 lost: alpn http/1.1 is not offered by the client",
             "4 lost: alpn acme-tls/1 is not offered by the client",
             "5 lost: source 10.0.0.0/8 does not match 11.1.0.1",
             "6 lost: source 10.1.0.0/16 does not match 11.1.0.1", "8 lost: protocol http does not match tls",
             "9 lost: host a.test does not match a name that comes as sni",
             "10 lost: alpn h2 is not offered by the client"}));
  const auto named = rules_of({{.name = {"a.test"}}, {.sni = {"a.test"}}, {.name = {"*.a.test"}}});
  EXPECT_EQ(explained(named, {.sni = "a.test"}),
            (Texts{"2 won: matches by sni a.test", "1 lost: less specific: name against sni",
                   "3 lost: name *.a.test does not match a.test"}));
  EXPECT_EQ(explained(named, {.sni = "192.0.2.1", .name_is_address = true}, 1),
            (Texts{"1 lost: name a.test does not match an SNI that is an address"}));
  EXPECT_EQ(explained(rules_of({{}}), {}), (Texts{"1 won: matches by no matcher"}));
}

}  // namespace
}  // namespace portshare
