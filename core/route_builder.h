// Compiles rules into a RouteIndex and finds those that get in each other's way.
#pragma once

#include <cstdint>
#include <expected>
#include <vector>

#include "core/route_index.h"

namespace portshare {

/// Two rules, of which the same connection may match both equally well; `rule == earlier`: a rule gives a
/// matcher twice.
struct RuleOverlap {
  std::uint32_t rule;
  std::uint32_t earlier;
  auto operator<=>(const RuleOverlap&) const = default;
};

/// The overlaps are sorted and each is there once.
std::expected<RouteIndex, std::vector<RuleOverlap>> build_route_index(const std::vector<RouteRule>& rules,
                                                                      std::uint32_t listener_count,
                                                                      std::uint64_t seed);

}  // namespace portshare
