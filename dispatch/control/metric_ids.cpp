#include "dispatch/control/metric_ids.h"

#include <fmt/format.h>

#include <algorithm>

namespace portshare {

namespace {

// Lines index a vector; a file that is longer has more of other things than routes can be looked at.
constexpr std::size_t longest_file = 100'000;

}  // namespace

std::uint32_t MetricRegistry::id_of(std::map<std::string, std::uint32_t>& ids,
                                    std::vector<std::string>& names, const std::string& name) {
  const auto [place, is_new] = ids.try_emplace(name, static_cast<std::uint32_t>(names.size()));
  if (is_new) names.push_back(name);
  return place->second;
}

void MetricRegistry::add_routes(const Config& config, MetricIds& ids) {
  const auto& routes = config.route_summaries;
  const auto last = std::ranges::max_element(routes, {}, &RouteSummary::line);
  if (routes.empty() || routes.size() < config.route_count || last->line > longest_file) return;
  ids.routes.assign(last->line + std::size_t{1}, MetricIds::none);
  for (const RouteSummary& route : routes) {
    ids.routes[route.line] = id_of(route_ids_, routes_, fmt::format("{}:{}", config.file, route.line));
  }
}

std::shared_ptr<const MetricIds> MetricRegistry::ids_for(const Config& config) {
  auto ids = std::make_shared<MetricIds>();
  for (const ListenerConfig& listener : config.listeners) {
    ids->listeners.push_back(id_of(listener_ids_, listeners_, listener.name));
  }
  for (const BackendConfig& backend : config.backends) {
    ids->backends.push_back(id_of(backend_ids_, backends_, backend.name));
  }
  add_routes(config, *ids);
  ids->listener_count = listeners_.size();
  ids->backend_count = backends_.size();
  ids->route_count = routes_.size();
  return ids;
}

}  // namespace portshare
