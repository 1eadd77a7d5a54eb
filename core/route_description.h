// Rules and matches in words for an operator: what `check` says about conflicts and `explain` about
// candidates.
#pragma once

#include <string>

#include "core/route_search.h"
#include "core/route_table.h"

namespace portshare {

/// The matchers of a rule, e.g. "destination 192.0.2.20, name example.com, *.example.com"; "everything" for
/// one that has none. Of many values of a matcher the first three are named and the others counted.
std::string describe_rule(const RouteRule& rule);

/// The matchers that both rules have, e.g. "destination 192.0.2.20, name example.com". The rules overlap
/// (RuleOverlap); if they are one rule, the matchers that it gives twice.
std::string describe_overlap(const RouteRule& rule, const RouteRule& earlier);

/// What a rule matched by, e.g. "destination 192.0.2.0/24, name *.example.com"; "no matcher" for one that
/// takes everything.
std::string describe_match(const RouteMatch& match);

/// Why `match` comes behind `winner`: the first respect in which they differ, e.g. "less specific: no name
/// against example.com".
std::string describe_loss(const RouteMatch& match, const RouteMatch& winner);

/// The first matcher of the rule that does not meet the query, e.g. "destination 192.0.2.20 does not match
/// 127.0.0.1". Empty if all do.
std::string describe_mismatch(const RouteRule& rule, const RouteQuery& query);

}  // namespace portshare
