// The route table against an implementation which tries every rule and compares specificities, over small
// random worlds.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/random.h"
#include "core/route_table.h"
#include "tests/core/route_test_support.h"

namespace portshare {
namespace {

using route_test::alpn_list;
using route_test::destination_matcher;
using route_test::name_matcher;

constexpr std::uint32_t listener_count = 3;
const std::vector<std::string> destinations = {
    "192.0.2.1", "192.0.2.1:80",  "192.0.2.1:443", "192.0.2.0/31",     "192.0.2.0/24", "0.0.0.0/0",
    "::/0",      "2001:db8::/32", "2001:db8::1",   "[2001:db8::1]:80", "2001:db8::/64"};
const std::vector<std::string> names = {"a.test",     "b.a.test", "c.b.a.test", "*.test", "*.a.test",
                                        "*.b.a.test", "test",     "~a",         "~b.a",   "~c"};
const std::vector<std::string> protocols_of_alpn = {"h2", "http/1.1", "x"};
const std::vector<std::string> sources = {"10.0.0.0/8", "10.1.0.0/16", "10.1.0.1",
                                          "0.0.0.0/0",  "::/0",        "2001:db8::/33"};
const std::vector<Protocol> protocols = {Protocol::any, Protocol::tls, Protocol::http, Protocol::ssh};

/// A few different elements of `list`, none of them in most cases.
template <class Value>
std::vector<Value> some_of(Random& random, std::vector<Value> list, std::uint64_t odds) {
  std::vector<Value> chosen;
  if (!random.chance(1, odds)) return chosen;
  for (std::uint64_t count = 1 + random.below(3); count > 0 && !list.empty(); --count) {
    const auto place = list.begin() + static_cast<std::ptrdiff_t>(random.below(list.size()));
    chosen.push_back(*place);
    list.erase(place);
  }
  return chosen;
}

RouteRule random_rule(Random& random, std::uint32_t line, bool patterns) {
  RouteRule rule;
  rule.listeners = some_of<std::uint32_t>(random, {0, 1, 2}, 3);
  for (const auto& text : some_of(random, destinations, 2))
    rule.destinations.push_back(destination_matcher(text));
  const std::vector<std::string> plain(names.begin(), names.end() - 3);
  for (const auto& text : some_of(random, patterns ? names : plain, 2))
    rule.names.push_back(name_matcher(text));
  if (random.chance(1, 3)) rule.name_source = random.chance(1, 2) ? NameSource::sni : NameSource::host;
  rule.alpn = some_of(random, protocols_of_alpn, 4);
  for (const auto& text : some_of(random, sources, 3)) rule.sources.push_back(*IpPrefix::parse(text));
  rule.protocols = some_of(random, protocols, 4);
  rule.line = line;
  rule.backend = line;
  return rule;
}

/// A query and the bytes that it refers to.
struct Query {
  std::string name;
  std::vector<std::string> alpn;
  std::string alpn_bytes;
  RouteQuery query;
};

void randomise(Random& random, Query& q) {
  const auto pick = [&](const std::vector<std::string>& list) { return list[random.below(list.size())]; };
  q.query = {};
  if (!random.chance(1, 8)) {
    q.query.destination = IpEndpoint::parse(pick(
        {"192.0.2.1:80", "192.0.2.1:443", "192.0.2.0:80", "192.0.2.9:80", "198.51.100.1:80",
         "[2001:db8::1]:80", "[2001:db8::1]:443", "[2001:db8::2]:80", "[2001:db8:1::1]:80", "[::1]:80"}));
  }
  if (!random.chance(1, 8)) {
    q.query.source =
        IpAddress::parse(pick({"10.1.0.1", "10.1.0.2", "10.2.0.1", "11.0.0.1", "::1", "2001:db8::1"}));
  }
  q.query.protocol = protocols[random.below(protocols.size())];
  q.name =
      random.chance(1, 6)
          ? ""
          : pick({"a.test", "b.a.test", "c.b.a.test", "d.c.b.a.test", "x.a.test", "test", "other", "b.test"});
  q.query.name = q.name;
  q.query.name_source = random.chance(1, 2) ? NameSource::sni : NameSource::host;
  q.query.name_is_address = random.chance(1, 10);
  q.alpn = some_of<std::string>(random, {"h2", "http/1.1", "x", "y"}, 2);
  q.alpn_bytes = alpn_list(q.alpn);
  q.query.alpn = as_bytes(q.alpn_bytes);
}

bool applies(const RouteRule& rule, std::uint32_t listener) {
  return rule.listeners.empty() || std::ranges::count(rule.listeners, listener) != 0;
}

/// How specific a match is, as numbers that compare in the order of precedence.
using Rank = std::array<int, 9>;

/// The specificities of one matcher: of the elements that match; of a matcher that was not given, {absent};
/// none: no match.
template <class Value, class Function>
std::vector<std::array<int, 2>> ranks(const std::vector<Value>& values, Function&& rank_of) {
  if (values.empty()) return {{0, 0}};
  std::vector<std::array<int, 2>> result;
  for (const Value& value : values) {
    if (const std::optional<std::array<int, 2>> rank = rank_of(value)) result.push_back(*rank);
  }
  return result;
}

using OptionalRank = std::optional<std::array<int, 2>>;

OptionalRank destination_rank(const DestinationMatcher& matcher, const RouteQuery& query) {
  if (!query.destination || !matcher.prefix.contains(query.destination->address)) return std::nullopt;
  if (matcher.port && *matcher.port != query.destination->port) return std::nullopt;
  return std::array{matcher.port ? 2 : 1, static_cast<int>(matcher.prefix.length)};
}

bool same(const DestinationMatcher& a, const DestinationMatcher& b) {
  return a.prefix == b.prefix && a.port == b.port;
}

/// What competes with a rule for its patterns' places: the rules of the listener that have its destination.
struct Rivals {
  const std::vector<RouteRule>& rules;
  std::uint32_t listener;
  const DestinationMatcher* destination;  // null: none

  [[nodiscard]] bool contain(const RouteRule& rule) const {
    if (!applies(rule, listener)) return false;
    if (destination == nullptr) return rule.destinations.empty();
    return std::ranges::any_of(rule.destinations,
                               [&](const DestinationMatcher& other) { return same(other, *destination); });
  }
  /// Of the first pattern with this text.
  [[nodiscard]] int place(std::string_view text) const {
    int place = 0;
    for (const RouteRule& rule : rules) {
      if (!contain(rule)) continue;
      for (const NameMatcher& other : rule.names) {
        if (other.pattern && other.pattern->text() == text) return place;
        ++place;
      }
    }
    return place;
  }
};

OptionalRank name_rank(const NameMatcher& matcher, NameSource source, const Query& q, const Rivals& rivals) {
  if (q.name.empty() || (source != NameSource::either && source != q.query.name_source)) return std::nullopt;
  if (q.query.name_is_address && q.query.name_source == NameSource::sni) return std::nullopt;
  if (matcher.kind == NameMatcher::Kind::exact)
    return matcher.text == q.name ? OptionalRank({3, 0}) : std::nullopt;
  if (matcher.kind == NameMatcher::Kind::wildcard) {
    return q.name.ends_with("." + matcher.text) ? OptionalRank({2, static_cast<int>(matcher.text.size())})
                                                : std::nullopt;
  }
  if (!matcher.pattern->matches(q.name)) return std::nullopt;
  return std::array{1, -rivals.place(matcher.pattern->text())};
}

/// The best rank of a rule for a query; none: it does not match.
std::optional<Rank> best_rank(const RouteRule& rule, std::uint32_t listener, const Query& q,
                              const std::vector<RouteRule>& rules) {
  const auto by_alpn = ranks(rule.alpn, [&](const std::string& protocol) -> OptionalRank {
    const auto place = std::ranges::find(q.alpn, protocol);
    if (place == q.alpn.end()) return std::nullopt;
    return std::array{1, -static_cast<int>(place - q.alpn.begin())};
  });
  const auto by_source = ranks(rule.sources, [&](const IpPrefix& prefix) -> OptionalRank {
    if (!q.query.source || !prefix.contains(*q.query.source)) return std::nullopt;
    return std::array{1, static_cast<int>(prefix.length)};
  });
  const auto by_protocol = ranks(rule.protocols, [&](Protocol protocol) {
    return protocol == q.query.protocol ? OptionalRank({1, 0}) : std::nullopt;
  });
  const int one_source = !rule.names.empty() && rule.name_source != NameSource::either ? 1 : 0;
  std::optional<Rank> best;
  const auto try_destination = [&](const DestinationMatcher* destination, const std::array<int, 2>& d) {
    const Rivals rivals{rules, listener, destination};
    const auto by_name =
        ranks(rule.names, [&](const auto& m) { return name_rank(m, rule.name_source, q, rivals); });
    for (const auto& n : by_name) {
      for (const auto& a : by_alpn) {
        for (const auto& s : by_source) {
          for (const auto& p : by_protocol) {
            const Rank rank = {d[0] * 1000 + d[1], n[0], n[1], a[0], s[0], s[1], p[0], one_source, a[1]};
            best = std::max(best, std::optional(rank));
          }
        }
      }
    }
  };
  if (rule.destinations.empty()) try_destination(nullptr, {0, 0});
  for (const DestinationMatcher& matcher : rule.destinations) {
    if (const auto rank = destination_rank(matcher, q.query)) try_destination(&matcher, *rank);
  }
  return best;
}

std::optional<std::size_t> naive_find(const std::vector<RouteRule>& rules, std::uint32_t listener,
                                      const Query& q) {
  std::optional<std::size_t> winner;
  std::optional<Rank> best;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (!applies(rules[i], listener)) continue;
    const auto rank = best_rank(rules[i], listener, q, rules);
    if (!rank) continue;
    EXPECT_NE(rank, best) << "two rules of the same rank";
    if (!best || *rank > *best) {
      best = rank;
      winner = i;
    }
  }
  return winner;
}

/// Both without the matcher, or with a common element.
template <class Value, class Function>
bool overlap(const std::vector<Value>& a, const std::vector<Value>& b, Function&& equal) {
  if (a.empty() || b.empty()) return a.empty() && b.empty();
  return std::ranges::any_of(
      a, [&](const Value& x) { return std::ranges::any_of(b, [&](const Value& y) { return equal(x, y); }); });
}

bool conflict(const RouteRule& a, const RouteRule& b) {
  bool same_listener = false;
  for (std::uint32_t listener = 0; listener < listener_count; ++listener) {
    same_listener = same_listener || (applies(a, listener) && applies(b, listener));
  }
  const auto equal = [](const auto& x, const auto& y) { return x == y; };
  return same_listener && (a.names.empty() || a.name_source == b.name_source) &&
         overlap(a.destinations, b.destinations, same) &&
         overlap(a.names, b.names,
                 [](const auto& x, const auto& y) {
                   return x.kind == y.kind && x.text == y.text &&
                          (!x.pattern || x.pattern->text() == y.pattern->text());
                 }) &&
         overlap(a.alpn, b.alpn, equal) && overlap(a.sources, b.sources, equal) &&
         overlap(a.protocols, b.protocols, equal);
}

/// Rules without conflicts; that build() finds exactly the conflicting ones among more of them is checked on
/// the way.
std::vector<RouteRule> random_rules(Random& random, bool patterns) {
  std::vector<RouteRule> all;
  const std::uint64_t count = 1 + random.below(25);
  all.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) all.push_back(random_rule(random, i + 1, patterns));

  std::set<std::uint32_t> expected;
  std::vector<RouteRule> kept;
  for (std::uint32_t later = 0; later < all.size(); ++later) {
    bool conflicts = false;
    for (std::uint32_t earlier = 0; earlier < later; ++earlier)
      conflicts = conflicts || conflict(all[later], all[earlier]);
    if (conflicts) expected.insert(later);
    if (std::ranges::none_of(kept, [&](const RouteRule& rule) { return conflict(all[later], rule); }))
      kept.push_back(all[later]);
  }
  const auto table = RouteTable::build(all, listener_count, random.next());
  EXPECT_EQ(table.has_value(), expected.empty());
  if (!table) {
    std::set<std::uint32_t> reported;
    for (const RouteConflict& found : table.error()) {
      EXPECT_LT(found.earlier, found.rule);
      EXPECT_TRUE(conflict(all[found.rule], all[found.earlier])) << found.matchers;
      reported.insert(found.rule);
    }
    EXPECT_EQ(reported, expected);
  }
  return kept;
}

void expect_explained(const RouteTable& table, std::uint32_t listener, const Query& q,
                      const std::vector<RouteRule>& rules) {
  const auto candidates = table.explain(listener, q.query, rules);
  const Route* route = table.find(listener, q.query);
  std::set<std::uint32_t> seen;
  std::optional<Rank> previous;
  bool matching = true;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const RouteCandidate& candidate = candidates[i];
    ASSERT_EQ(candidate.won, i == 0 && route != nullptr);
    if (candidate.won) {
      ASSERT_EQ(rules[candidate.rule].line, route->line);
    }
    EXPECT_FALSE(candidate.reason.empty());
    EXPECT_TRUE(seen.insert(candidate.rule).second) << "twice";
    EXPECT_TRUE(applies(rules[candidate.rule], listener));
    const auto rank = best_rank(rules[candidate.rule], listener, q, rules);
    EXPECT_TRUE(matching || !rank) << "a match behind a mismatch";
    matching = rank.has_value();
    if (previous && rank) {
      EXPECT_GT(*previous, *rank) << "not in the order of precedence";
    }
    EXPECT_EQ(candidate.reason.find("does not match") != std::string::npos ||
                  candidate.reason.find("is not offered") != std::string::npos,
              !rank)
        << candidate.reason;
    previous = rank;
  }
  const auto count =
      std::ranges::count_if(rules, [&](const RouteRule& rule) { return applies(rule, listener); });
  EXPECT_EQ(candidates.size(), static_cast<std::size_t>(count));
}

TEST(RouteTableProperty, finds_what_the_comparison_of_all_rules_finds) {
  Random random(20);
  std::size_t found = 0;
  std::size_t asked = 0;
  for (int world = 0; world < 800 && !HasFailure(); ++world) {
    SCOPED_TRACE(testing::Message() << "world " << world);
    const auto rules = random_rules(random, true);
    const auto table = RouteTable::build(rules, listener_count, random.next());
    ASSERT_TRUE(table) << table.error()[0].matchers;
    Query q;
    for (int i = 0; i < 30 && !HasFailure(); ++i) {
      randomise(random, q);
      const auto listener = static_cast<std::uint32_t>(random.below(listener_count));
      const auto expected = naive_find(rules, listener, q);
      const Route* route = table->find(listener, q.query);
      ASSERT_EQ(route != nullptr, expected.has_value());
      ++asked;
      if (route != nullptr) {
        ++found;
        ASSERT_EQ(route->line, rules[*expected].line);
      }
      expect_explained(*table, listener, q, rules);
    }
  }
  // The worlds are such that both answers are common.
  EXPECT_GT(found, asked / 4);
  EXPECT_LT(found, asked - asked / 10);
}

TEST(RouteTableProperty, the_order_of_the_file_never_matters) {
  Random random(21);
  for (int world = 0; world < 500 && !HasFailure(); ++world) {
    const auto rules = random_rules(random, false);
    auto shuffled = rules;
    for (std::size_t i = shuffled.size(); i > 1; --i) std::swap(shuffled[i - 1], shuffled[random.below(i)]);
    const auto one = RouteTable::build(rules, listener_count, random.next());
    const auto other = RouteTable::build(shuffled, listener_count, random.next());
    ASSERT_TRUE(one && other);
    Query q;
    for (int i = 0; i < 30; ++i) {
      randomise(random, q);
      const auto listener = static_cast<std::uint32_t>(random.below(listener_count));
      const Route* a = one->find(listener, q.query);
      const Route* b = other->find(listener, q.query);
      ASSERT_EQ(a != nullptr ? a->line : 0, b != nullptr ? b->line : 0);
    }
  }
}

}  // namespace
}  // namespace portshare
