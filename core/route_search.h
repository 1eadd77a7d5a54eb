// The one search behind RouteTable::find() and explain(): it visits the rules that match, the most specific
// first.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/cursor.h"
#include "core/route_index.h"

namespace portshare {

/// Which matchers of a rule met the query, and how closely.
struct RouteMatch {
  std::optional<IpPrefix> destination;
  std::optional<std::uint16_t> destination_port;
  std::optional<NameMatcher::Kind> name_kind;
  std::string_view
      name;  ///< of an exact name or a wildcard without "*.", part of the query; a pattern's text
  NameSource name_source = NameSource::either;
  std::optional<std::string_view> alpn;  ///< part of the query
  std::optional<IpPrefix> source;
  std::optional<Protocol> protocol;
};

/// Calls visit(rule, match) for the matching rules in the order of precedence, until it returns true. A rule
/// that matches in several ways is visited for each. A less specific destination is tried when no rule of a
/// more specific one matches the rest, and so with every stage: the order is lexicographic.
template <class Visit>
class RouteSearch {
 public:
  RouteSearch(const RouteIndex& index, const RouteQuery& query, Visit& visit)
      : index_(index), query_(query), visit_(visit) {}

  bool run(std::uint32_t listener) {
    assert(listener < index_.listeners.size());
    const std::uint32_t id = index_.listeners[listener];
    const RouteIndex::DestinationScope& scope = index_.destination_scopes[id];
    if (query_.destination && search_destinations(id, scope)) return true;
    match_.destination.reset();
    return scope.without != RouteIndex::none && search_names(scope.without);
  }

 private:
  bool search_destinations(std::uint32_t id, const RouteIndex::DestinationScope& scope) {
    const IpEndpoint& destination = *query_.destination;
    if (scope.has_ports) {
      const IpPrefix whole{destination.address,
                           static_cast<std::uint8_t>(destination.address.is_v4() ? 32 : 128)};
      const std::uint32_t names =
          index_.destinations.find(RouteIndex::destination_scope(id, destination.port), whole);
      if (names != CidrTable::no_value) {
        match_.destination = whole;
        match_.destination_port = destination.port;
        if (search_names(names)) return true;
        match_.destination_port.reset();
      }
    }
    return index_.destinations.visit(RouteIndex::destination_scope(id), scope.lengths, destination.address,
                                     [&](const IpPrefix& prefix, std::uint32_t names) {
                                       match_.destination = prefix;
                                       return search_names(names);
                                     });
  }

  bool search_names(std::uint32_t id) {
    const RouteIndex::NameScope& scope = index_.name_scopes[id];
    // An SNI that is an address literal is a name that matches no route.
    const bool has_name =
        !query_.name.empty() && (!query_.name_is_address || query_.name_source != NameSource::sni);
    if (has_name) {
      if (scope.has_names && search_table(id, scope)) return true;
      for (std::uint32_t i = scope.patterns_begin; i < scope.patterns_end; ++i) {
        const RouteIndex::Pattern& entry = index_.patterns[i];
        if (entry.pattern->matches(query_.name) &&
            search_target(entry.target, NameMatcher::Kind::pattern, entry.pattern->text())) {
          return true;
        }
      }
    }
    return !scope.without.is_none() && search_target(scope.without, std::nullopt, {});
  }

  bool search_table(std::uint32_t id, const RouteIndex::NameScope& scope) {
    if (!name_) name_.emplace(query_.name, index_.names.seed());
    const NameTable::Depths& depths = scope.wildcards;
    const auto search_suffix = [&](NameTable::Kind table_kind, NameMatcher::Kind kind,
                                   const HashedName::Suffix& suffix) {
      const std::uint32_t value = index_.names.find(id, table_kind, suffix);
      return value != NameTable::no_value && search_target(Target::from_value(value), kind, suffix.text);
    };
    if (search_suffix(NameTable::Kind::exact, NameMatcher::Kind::exact, name_->whole())) return true;
    for (std::size_t labels = depths.next_below(name_->label_count()); labels > 0;
         labels = depths.next_below(labels)) {
      if (search_suffix(NameTable::Kind::wildcard, NameMatcher::Kind::wildcard, name_->suffix(labels))) {
        return true;
      }
    }
    return false;
  }

  bool search_target(Target target, std::optional<NameMatcher::Kind> kind, std::string_view name) {
    match_.name_kind = kind;
    match_.name = name;
    if (target.is_choices()) return search_choices(target.index());
    return name_source_fits(target.name_source()) && accept(target.index(), target.name_source());
  }

  bool search_choices(std::uint32_t id) {
    const RouteIndex::Choices& choices = index_.choices[id];
    return (!query_.alpn.empty() && search_sources(RouteIndex::source_scope(id, true), choices.with_alpn)) ||
           search_sources(RouteIndex::source_scope(id, false), choices.without_alpn);
  }

  bool search_sources(std::uint64_t id, const RouteIndex::SourceScope& scope) {
    if (query_.source && index_.sources.visit(id, scope.lengths, *query_.source,
                                              [&](const IpPrefix& prefix, std::uint32_t first) {
                                                match_.source = prefix;
                                                const bool done = search_list(first);
                                                match_.source.reset();
                                                return done;
                                              })) {
      return true;
    }
    return scope.without != RouteIndex::none && search_list(scope.without);
  }

  /// A list is sorted by what follows the source: protocol given, then a name source given. Choices that are
  /// equal in both differ by ALPN, and the client's order decides among them.
  bool search_list(std::uint32_t first) {
    const Choice* begin = &index_.choice_lists[first];
    while (true) {
      const Choice* last = begin;
      while (!last->last && same_rank(*last, last[1])) ++last;
      if (search_equals(begin, last)) return true;
      if (last->last) return false;
      begin = last + 1;
    }
  }

  static bool same_rank(const Choice& a, const Choice& b) {
    return a.protocol_given == b.protocol_given &&
           (a.name_source == NameSource::either) == (b.name_source == NameSource::either);
  }

  bool search_equals(const Choice* begin, const Choice* last) {
    if (begin->alpn == Choice::no_alpn) {
      for (const Choice* choice = begin; choice <= last; ++choice) {
        if (fits(*choice) && accept(*choice)) return true;
      }
      return false;
    }
    Cursor offered(query_.alpn);
    while (const auto protocol = offered.read_vector8()) {
      const std::string_view text = as_text(*protocol);
      for (const Choice* choice = begin; choice <= last; ++choice) {
        if (index_.alpn[choice->alpn] != text || !fits(*choice)) continue;
        match_.alpn = text;
        const bool done = accept(*choice);
        match_.alpn.reset();
        if (done) return true;
      }
    }
    return false;
  }

  [[nodiscard]] bool name_source_fits(NameSource wanted) const {
    return wanted == NameSource::either || wanted == query_.name_source;
  }
  [[nodiscard]] bool fits(const Choice& choice) const {
    return (!choice.protocol_given || choice.protocol == query_.protocol) &&
           name_source_fits(choice.name_source);
  }

  bool accept(const Choice& choice) {
    if (choice.protocol_given) match_.protocol = choice.protocol;
    const bool done = accept(choice.rule, choice.name_source);
    match_.protocol.reset();
    return done;
  }
  bool accept(std::uint32_t rule, NameSource name_source) {
    match_.name_source = name_source;
    return visit_(rule, static_cast<const RouteMatch&>(match_));
  }

  const RouteIndex& index_;
  const RouteQuery& query_;
  Visit& visit_;
  RouteMatch match_;
  std::optional<HashedName> name_;  // made when the first scope asks for it
};

}  // namespace portshare
