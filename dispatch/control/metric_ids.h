// Under which numbers the things of a configuration are counted. They stay the same over reloads, so that the
// counters of a listener go on as long as there is one of its name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dispatch/config.h"

namespace portshare {

/// For one configuration: from its indices to the numbers of the counters. Immutable.
struct MetricIds {
  static constexpr std::uint32_t no_backend = 0;  ///< of a connection that never had one
  static constexpr std::uint32_t none = UINT32_MAX;

  std::vector<std::uint32_t> listeners;
  std::vector<std::uint32_t> backends;
  std::vector<std::uint32_t> routes;  ///< by line of the file, `none` for most; empty: routes are not counted

  // How many numbers have been given away: so many counters there are.
  std::size_t listener_count = 0;
  std::size_t backend_count = 0;
  std::size_t route_count = 0;

  /// `index` of a backend, or AccessRecord::none.
  [[nodiscard]] std::uint32_t of_backend(std::uint32_t index) const {
    return index < backends.size() ? backends[index] : no_backend;
  }
};

/// Gives the numbers away, and knows what they stand for. For the control thread alone.
class MetricRegistry {
 public:
  MetricRegistry() : backends_{""} {}

  /// The numbers for a configuration, with new ones for what is new in it.
  [[nodiscard]] std::shared_ptr<const MetricIds> ids_for(const Config& config);

  // By number.
  [[nodiscard]] const std::vector<std::string>& listeners() const { return listeners_; }
  /// The first is that of no backend, and empty.
  [[nodiscard]] const std::vector<std::string>& backends() const { return backends_; }
  /// Each as FILE:LINE. Only the routes of a configuration that has at most RouteSummary::most_listed have
  /// numbers, because a monitoring system keeps a time series for each.
  [[nodiscard]] const std::vector<std::string>& routes() const { return routes_; }

 private:
  static std::uint32_t id_of(std::map<std::string, std::uint32_t>& ids, std::vector<std::string>& names,
                             const std::string& name);
  void add_routes(const Config& config, MetricIds& ids);

  std::vector<std::string> listeners_;
  std::vector<std::string> backends_;
  std::vector<std::string> routes_;
  std::map<std::string, std::uint32_t> listener_ids_;
  std::map<std::string, std::uint32_t> backend_ids_;
  std::map<std::string, std::uint32_t> route_ids_;
};

}  // namespace portshare
