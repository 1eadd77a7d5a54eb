#include "core/route_builder.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>

#include "core/random.h"

namespace portshare {
namespace {

using RuleList = std::vector<std::uint32_t>;  // ascending

/// Gives equal lists of rules the same number, from 0 on.
class RuleLists {
 public:
  std::uint32_t number(RuleList list) {
    const auto next = static_cast<std::uint32_t>(order_.size());
    const auto [entry, is_new] = numbers_.try_emplace(std::move(list), next);
    if (is_new) order_.push_back(&entry->first);
    return entry->second;
  }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(order_.size()); }
  [[nodiscard]] const RuleList& operator[](std::uint32_t number) const { return *order_[number]; }

 private:
  struct Hash {
    std::size_t operator()(const RuleList& list) const {
      std::uint64_t hash = list.size();
      for (const std::uint32_t rule : list) hash = mix_bits(hash * 0x9e3779b97f4a7c15U ^ rule);
      return hash;
    }
  };
  std::unordered_map<RuleList, std::uint32_t, Hash> numbers_;
  std::vector<const RuleList*> order_;
};

/// The rules of every key of a table while they are gathered: a chain per key, whose head stands in the table
/// as the value.
class RuleChains {
 public:
  static constexpr std::uint32_t end = UINT32_MAX;
  static_assert(end == CidrTable::no_value && end == NameTable::no_value);

  /// False: the rule has this key already. Rules come in ascending order.
  bool add(std::uint32_t& head, std::uint32_t rule) {
    if (head != end && links_[head].rule == rule) return false;
    links_.push_back({rule, head});
    head = static_cast<std::uint32_t>(links_.size() - 1);
    return true;
  }
  [[nodiscard]] RuleList list(std::uint32_t head) const {
    RuleList rules;
    for (; head != end; head = links_[head].next) rules.push_back(links_[head].rule);
    std::ranges::reverse(rules);
    return rules;
  }
  void reserve(std::size_t count) { links_.reserve(count); }

 private:
  struct Link {
    std::uint32_t rule;
    std::uint32_t next;
  };
  std::vector<Link> links_;
};

class RouteBuilder {
 public:
  RouteBuilder(const std::vector<RouteRule>& rules, std::uint32_t listener_count, std::uint64_t seed)
      : rules_(rules), listener_count_(listener_count), seed_(seed) {
    assert(rules.size() <= Target::max_index);
  }

  std::expected<RouteIndex, std::vector<RuleOverlap>> build() {
    note_plain_rules();
    divide_by_listener();
    divide_by_destination();
    divide_by_name();
    lay_out_choices();
    if (!overlaps_.empty()) {
      std::ranges::sort(overlaps_);
      const auto repeated = std::ranges::unique(overlaps_);
      overlaps_.erase(repeated.begin(), repeated.end());
      return std::unexpected(std::move(overlaps_));
    }
    index_.routes.reserve(rules_.size());
    for (const RouteRule& rule : rules_) index_.routes.push_back({rule.backend, rule.line});
    return std::move(index_);
  }

 private:
  /// A combination of matchers of one rule, in the order in which choices are laid out.
  struct Alternative {
    bool alpn_given;
    bool source_given;
    IpPrefix source;
    bool protocol_given;
    NameSource name_source;
    Protocol protocol;
    std::uint32_t alpn;
    std::uint32_t rule;

    /// Same list of choices.
    [[nodiscard]] auto place() const { return std::tuple(!alpn_given, !source_given, source); }
    /// All but the rule.
    [[nodiscard]] auto matchers() const {
      return std::tuple(place(), !protocol_given, name_source == NameSource::either, name_source, protocol,
                        alpn);
    }
    bool operator<(const Alternative& other) const {
      return std::tuple(matchers(), rule) < std::tuple(other.matchers(), other.rule);
    }
  };
  struct PendingSource {
    std::uint64_t scope;
    IpPrefix prefix;
    std::uint32_t first;
  };

  /// Names are visited in the order of the table, which is no order, and the rules are too many for a cache.
  void note_plain_rules() {
    plain_targets_.reserve(rules_.size());
    for (std::uint32_t i = 0; i < rules_.size(); ++i) {
      const RouteRule& rule = rules_[i];
      const bool is_plain = rule.alpn.empty() && rule.sources.empty() && rule.protocols.empty();
      plain_targets_.push_back(is_plain ? Target::rule(i, name_source(rule)) : Target::none());
    }
  }

  void divide_by_listener() {
    RuleList of_all;
    std::vector<RuleList> of_one(listener_count_);
    for (std::uint32_t rule = 0; rule < rules_.size(); ++rule) {
      if (rules_[rule].listeners.empty()) of_all.push_back(rule);
      for (const std::uint32_t listener : rules_[rule].listeners) {
        assert(listener < listener_count_);
        RuleList& list = of_one[listener];
        if (list.empty() || list.back() != rule) list.push_back(rule);
      }
    }
    RuleLists distinct;
    for (RuleList& list : of_one) index_.listeners.push_back(distinct.number(std::move(list)));
    for (std::uint32_t i = 0; i < distinct.size(); ++i) {
      RuleList merged;
      std::ranges::merge(of_all, distinct[i], std::back_inserter(merged));
      rules_by_listener_.push_back(std::move(merged));
    }
  }

  void divide_by_destination() {
    std::size_t count = 0;
    for (const RuleList& list : rules_by_listener_) {
      for (const std::uint32_t rule : list) count += rules_[rule].destinations.size();
    }
    index_.destinations = CidrTable(count, seed_);
    CidrTable& table = index_.destinations;
    RuleChains chains;
    for (const RuleList& list : rules_by_listener_) {
      const auto id = static_cast<std::uint32_t>(index_.destination_scopes.size());
      RouteIndex::DestinationScope scope;
      RuleList without;
      for (const std::uint32_t rule : list) {
        if (rules_[rule].destinations.empty()) without.push_back(rule);
        for (const DestinationMatcher& matcher : rules_[rule].destinations) {
          scope.has_ports = scope.has_ports || matcher.port;
          if (!matcher.port) scope.lengths.add(matcher.prefix);
          const std::uint64_t key = matcher.port ? RouteIndex::destination_scope(id, *matcher.port)
                                                 : RouteIndex::destination_scope(id);
          if (!chains.add(table.insert(key, matcher.prefix), rule)) overlaps_.push_back({rule, rule});
        }
      }
      if (!without.empty()) scope.without = rules_by_destination_.number(std::move(without));
      index_.destination_scopes.push_back(scope);
    }
    table.for_each_value(
        [&](std::uint32_t& value) { value = rules_by_destination_.number(chains.list(value)); });
  }

  void divide_by_name() {
    std::size_t count = 0;
    for (std::uint32_t id = 0; id < rules_by_destination_.size(); ++id) {
      for (const std::uint32_t rule : rules_by_destination_[id]) {
        for (const NameMatcher& matcher : rules_[rule].names) {
          if (matcher.kind != NameMatcher::Kind::pattern) ++count;
        }
      }
    }
    index_.names = NameTable(count, seed_);
    NameTable& table = index_.names;
    RuleChains chains;
    chains.reserve(count);
    for (std::uint32_t id = 0; id < rules_by_destination_.size(); ++id) {
      index_.name_scopes.push_back(gather_names(id, table, chains));
    }
    table.for_each_value([&](std::uint32_t& value) { value = target(chains.list(value)).value(); });
  }

  RouteIndex::NameScope gather_names(std::uint32_t id, NameTable& table, RuleChains& chains) {
    RouteIndex::NameScope scope;
    RuleList without;
    // Patterns of the same text are one, at the place of the first.
    std::unordered_map<std::string_view, std::size_t> pattern_numbers;
    std::vector<std::pair<std::shared_ptr<const NamePattern>, RuleList>> patterns;
    for (const std::uint32_t rule : rules_by_destination_[id]) {
      if (rules_[rule].names.empty()) without.push_back(rule);
      for (const NameMatcher& matcher : rules_[rule].names) {
        if (matcher.kind == NameMatcher::Kind::pattern) {
          const auto [entry, is_new] = pattern_numbers.try_emplace(matcher.pattern->text(), patterns.size());
          if (is_new) patterns.emplace_back(matcher.pattern, RuleList());
          RuleList& list = patterns[entry->second].second;
          if (!list.empty() && list.back() == rule) {
            overlaps_.push_back({rule, rule});
          } else {
            list.push_back(rule);
          }
          continue;
        }
        scope.has_names = true;
        const bool wildcard = matcher.kind == NameMatcher::Kind::wildcard;
        if (wildcard) scope.wildcards.add(matcher.text);
        const auto kind = wildcard ? NameTable::Kind::wildcard : NameTable::Kind::exact;
        if (!chains.add(table.insert(id, kind, matcher.text), rule)) overlaps_.push_back({rule, rule});
      }
    }
    scope.patterns_begin = static_cast<std::uint32_t>(index_.patterns.size());
    for (auto& [pattern, list] : patterns)
      index_.patterns.push_back({std::move(pattern), target(std::move(list))});
    scope.patterns_end = static_cast<std::uint32_t>(index_.patterns.size());
    if (!without.empty()) scope.without = target(std::move(without));
    return scope;
  }

  /// The target of rules that have the same destination and name, or no name at all.
  Target target(RuleList list) {
    if (list.size() == 1) {
      const Target plain = plain_targets_[list.front()];
      if (!plain.is_none()) return plain;
    }
    return Target::choices(rules_by_name_.number(std::move(list)));
  }

  static NameSource name_source(const RouteRule& rule) {
    return rule.names.empty() ? NameSource::either : rule.name_source;
  }

  void lay_out_choices() {
    for (std::uint32_t id = 0; id < rules_by_name_.size(); ++id) {
      std::vector<Alternative> alternatives;
      for (const std::uint32_t rule : rules_by_name_[id]) add_alternatives(rule, alternatives);
      std::ranges::sort(alternatives, std::less<>());
      note_overlaps(alternatives);
      lay_out(id, alternatives);
    }
    index_.sources = CidrTable(pending_sources_.size(), seed_);
    for (const PendingSource& source : pending_sources_)
      index_.sources.insert(source.scope, source.prefix) = source.first;
  }

  void add_alternatives(std::uint32_t rule_index, std::vector<Alternative>& alternatives) {
    const RouteRule& rule = rules_[rule_index];
    // A matcher that was not given is one alternative.
    const std::size_t alpns = std::max<std::size_t>(rule.alpn.size(), 1);
    const std::size_t sources = std::max<std::size_t>(rule.sources.size(), 1);
    const std::size_t protocols = std::max<std::size_t>(rule.protocols.size(), 1);
    for (std::size_t a = 0; a < alpns; ++a) {
      const std::uint32_t alpn = rule.alpn.empty() ? Choice::no_alpn : alpn_number(rule.alpn[a]);
      for (std::size_t s = 0; s < sources; ++s) {
        const IpPrefix source = rule.sources.empty() ? IpPrefix() : rule.sources[s];
        for (std::size_t p = 0; p < protocols; ++p) {
          const Protocol protocol = rule.protocols.empty() ? Protocol::any : rule.protocols[p];
          alternatives.push_back({!rule.alpn.empty(), !rule.sources.empty(), source, !rule.protocols.empty(),
                                  name_source(rule), protocol, alpn, rule_index});
        }
      }
    }
  }

  std::uint32_t alpn_number(const std::string& text) {
    const auto [entry, is_new] =
        alpn_numbers_.try_emplace(text, static_cast<std::uint32_t>(index_.alpn.size()));
    if (is_new) index_.alpn.push_back(text);
    return entry->second;
  }

  void note_overlaps(std::span<const Alternative> alternatives) {
    const Alternative* first = nullptr;
    for (const Alternative& alternative : alternatives) {
      if (first != nullptr && first->matchers() == alternative.matchers()) {
        overlaps_.push_back({alternative.rule, first->rule});
      } else {
        first = &alternative;
      }
    }
  }

  void lay_out(std::uint32_t id, std::span<const Alternative> alternatives) {
    RouteIndex::Choices choices;
    for (std::size_t begin = 0; begin < alternatives.size();) {
      const Alternative& head = alternatives[begin];
      const auto first = static_cast<std::uint32_t>(index_.choice_lists.size());
      std::size_t end = begin;
      for (; end < alternatives.size() && alternatives[end].place() == head.place(); ++end) {
        const Alternative& a = alternatives[end];
        index_.choice_lists.push_back({a.rule, a.alpn, a.protocol_given, a.protocol, a.name_source, false});
      }
      index_.choice_lists.back().last = true;
      begin = end;

      RouteIndex::SourceScope& scope = head.alpn_given ? choices.with_alpn : choices.without_alpn;
      if (!head.source_given) {
        scope.without = first;
        continue;
      }
      scope.lengths.add(head.source);
      pending_sources_.push_back({RouteIndex::source_scope(id, head.alpn_given), head.source, first});
    }
    index_.choices.push_back(choices);
  }

  const std::vector<RouteRule>& rules_;
  std::uint32_t listener_count_;
  std::uint64_t seed_;

  std::vector<Target> plain_targets_;        // of the rules without ALPN, source and protocol; none of others
  std::vector<RuleList> rules_by_listener_;  // by destination scope
  RuleLists rules_by_destination_;           // by name scope
  RuleLists rules_by_name_;                  // by choices
  std::map<std::string, std::uint32_t, std::less<>> alpn_numbers_;
  std::vector<PendingSource> pending_sources_;
  std::vector<RuleOverlap> overlaps_;

  RouteIndex index_;
};

}  // namespace

std::expected<RouteIndex, std::vector<RuleOverlap>> build_route_index(const std::vector<RouteRule>& rules,
                                                                      std::uint32_t listener_count,
                                                                      std::uint64_t seed) {
  return RouteBuilder(rules, listener_count, seed).build();
}

}  // namespace portshare
