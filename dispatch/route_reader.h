// Reads the [[route]] tables. There may be a million of them, or one with
// a million names.
#pragma once

#include <vector>

#include "dispatch/config.h"
#include "dispatch/setting_reader.h"

namespace portshare {

/// Which listeners a route is for, be it faulty or not.
struct RouteCoverage {
  std::vector<bool> listeners;
  bool every_listener = false;
};

/// The rules of all routes without faults, in the order of the file.
[[nodiscard]] std::vector<RouteRule> read_routes(const toml::array& routes, const SettingReader& settings,
                                                 NameIndex& listeners, NameIndex& backends,
                                                 RouteCoverage& coverage);

/// Compiles the rules; routes with the same matchers are reported.
[[nodiscard]] RouteTable build_routes(const std::vector<RouteRule>& rules, std::size_t listener_count,
                                      const toml::array& routes, DiagnosticList& diagnostics);

/// Warns of routes that no connection of their listeners can match, because the listeners do not read what
/// the route asks for.
void warn_about_dead_routes(const Config& config, const toml::array& routes, DiagnosticList& diagnostics);

}  // namespace portshare
