#include "core/route_table.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/route_builder.h"
#include "core/route_description.h"
#include "core/route_index.h"
#include "core/route_search.h"

namespace portshare {

RouteTable::RouteTable() = default;
RouteTable::RouteTable(RouteTable&&) noexcept = default;
RouteTable& RouteTable::operator=(RouteTable&&) noexcept = default;
RouteTable::~RouteTable() = default;

std::expected<RouteTable, std::vector<RouteConflict>> RouteTable::build(const std::vector<RouteRule>& rules,
                                                                        std::uint32_t listener_count,
                                                                        std::uint64_t hash_seed) {
  auto index = build_route_index(rules, listener_count, hash_seed);
  if (!index) {
    constexpr std::size_t most = 100;
    std::vector<RouteConflict> conflicts;
    for (std::size_t i = 0; i < std::min(index.error().size(), most); ++i) {
      const auto [rule, earlier] = index.error()[i];
      conflicts.push_back({rule, earlier, describe_overlap(rules[rule], rules[earlier])});
    }
    return std::unexpected(std::move(conflicts));
  }
  RouteTable table;
  table.index_ = std::make_unique<const RouteIndex>(std::move(*index));
  return table;
}

const Route* RouteTable::find(std::uint32_t listener, const RouteQuery& query) const {
  if (!index_) return nullptr;
  const Route* route = nullptr;
  auto take_first = [&](std::uint32_t rule, const RouteMatch&) {
    route = &index_->routes[rule];
    return true;
  };
  RouteSearch(*index_, query, take_first).run(listener);
  return route;
}

std::vector<RouteCandidate> RouteTable::explain(std::uint32_t listener, const RouteQuery& query,
                                                const std::vector<RouteRule>& rules,
                                                std::size_t limit) const {
  std::vector<RouteCandidate> candidates;
  if (!index_ || limit == 0) return candidates;
  assert(rules.size() == index_->routes.size());

  std::vector<bool> seen(rules.size());
  RouteMatch winner;
  auto take_all = [&](std::uint32_t rule, const RouteMatch& match) {
    if (seen[rule]) return false;  // it matches in another, less specific way too
    seen[rule] = true;
    const bool won = candidates.empty();
    if (won) winner = match;
    candidates.push_back(
        {rule, won, won ? "matches by " + describe_match(match) : describe_loss(match, winner)});
    return candidates.size() == limit;
  };
  RouteSearch(*index_, query, take_all).run(listener);

  for (std::uint32_t rule = 0; rule < rules.size() && candidates.size() < limit; ++rule) {
    const auto& listeners = rules[rule].listeners;
    const bool applies = listeners.empty() || std::ranges::find(listeners, listener) != listeners.end();
    if (!applies || seen[rule]) continue;
    candidates.push_back({rule, false, describe_mismatch(rules[rule], query)});
  }
  return candidates;
}

}  // namespace portshare
