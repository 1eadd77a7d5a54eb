// The inside of a RouteTable: rules compiled into three stages, destination, name, and the rest.
//
// A stage is looked up within a scope, and its value leads to the scope of the next stage:
//   listener -> DestinationScope -> NameScope -> Target: a rule, or Choices among rules by ALPN, source and
//   protocol.
// Scopes that would hold the same rules are one: two listeners with the same routes share everything, and so
// do the addresses of one rule. The tables are shared by all scopes, because a configuration may have a
// million scopes with one entry each.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/cidr_table.h"
#include "core/name_table.h"
#include "core/route_table.h"

namespace portshare {

/// What is left to check when destination and name are known, in four bytes. Nearly all names lead to one
/// rule without further matchers; then the rule itself is kept here, together with the source of the name it
/// wants.
class Target {
 public:
  static Target none() { return Target(no_value); }
  static Target rule(std::uint32_t rule, NameSource source) {
    return Target(static_cast<std::uint32_t>(source) << index_bits | rule);
  }
  static Target choices(std::uint32_t index) { return Target(choices_tag << index_bits | index); }
  static Target from_value(std::uint32_t value) { return Target(value); }

  [[nodiscard]] std::uint32_t value() const { return value_; }
  [[nodiscard]] bool is_none() const { return value_ == no_value; }
  [[nodiscard]] bool is_choices() const { return value_ >> index_bits == choices_tag; }
  [[nodiscard]] std::uint32_t index() const { return value_ & max_index; }
  [[nodiscard]] NameSource name_source() const { return static_cast<NameSource>(value_ >> index_bits); }

  static constexpr std::uint32_t index_bits = 30;
  static constexpr std::uint32_t max_index = (std::uint32_t{1} << index_bits) - 1;

 private:
  static constexpr std::uint32_t no_value = NameTable::no_value;
  static constexpr std::uint32_t choices_tag = 3;  // behind the values of NameSource
  explicit Target(std::uint32_t value) : value_(value) {}
  std::uint32_t value_;
};

/// One combination of an ALPN, a protocol and a name source of a rule, for one source.
struct Choice {
  static constexpr std::uint32_t no_alpn = UINT32_MAX;
  std::uint32_t rule;
  std::uint32_t alpn;  ///< index into RouteIndex::alpn, or `no_alpn`
  bool protocol_given;
  Protocol protocol;
  NameSource name_source;
  bool last;  ///< of its list
};

struct RouteIndex {
  static constexpr std::uint32_t none = UINT32_MAX;

  struct DestinationScope {
    CidrTable::Lengths lengths;  ///< of the destinations without a port
    bool has_ports = false;
    std::uint32_t without = none;  ///< name scope of the rules without a destination, or `none`
  };
  struct NameScope {
    NameTable::Depths wildcards;
    std::uint32_t patterns_begin = 0;
    std::uint32_t patterns_end = 0;
    bool has_names = false;
    Target without = Target::none();  ///< rules without a name
  };
  struct Pattern {
    std::shared_ptr<const NamePattern> pattern;
    Target target = Target::none();
  };
  /// Rules with the same ALPN state (given or not), by source.
  struct SourceScope {
    CidrTable::Lengths lengths;
    std::uint32_t without = none;  ///< first of the choices without a source, or `none`
  };
  struct Choices {
    SourceScope with_alpn;
    SourceScope without_alpn;
  };

  /// The scope of a destination in `destinations`; those with a port are scopes of their own.
  static std::uint64_t destination_scope(std::uint32_t scope) { return scope; }
  static std::uint64_t destination_scope(std::uint32_t scope, std::uint16_t port) {
    return scope | (std::uint64_t{port} + 1) << 32;
  }
  static std::uint64_t source_scope(std::uint32_t choices, bool alpn_given) {
    return std::uint64_t{choices} << 1 | (alpn_given ? 1U : 0U);
  }

  std::vector<std::uint32_t> listeners;  ///< destination scope of each
  std::vector<DestinationScope> destination_scopes;
  std::vector<NameScope> name_scopes;
  std::vector<Pattern> patterns;  ///< in file order within a name scope
  std::vector<Choices> choices;
  std::vector<Choice> choice_lists;  ///< best first, each list ended by `last`
  std::vector<std::string> alpn;
  std::vector<Route> routes;  ///< by rule

  CidrTable destinations{0, 0};  ///< to name scopes
  NameTable names{0, 0};         ///< to targets
  CidrTable sources{0, 0};       ///< to the first choice of a list
};

}  // namespace portshare
