// Pools of servers for tests, made from short configurations.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dispatch/config_reader.h"
#include "dispatch/server_choice.h"
#include "dispatch/server_pool.h"

namespace portshare {

/// A configuration whose backends are `backends`, in TOML, the first of which is named "b".
inline Config config_with_backends(std::string_view backends) {
  ConfigResult result =
      read_config("listener.l = { bind = [\"*:4711\"], default = \"b\" }\n" + std::string(backends), "f");
  for (const Diagnostic& diagnostic : result.diagnostics) {
    if (diagnostic.severity == Severity::error) ADD_FAILURE() << diagnostic.to_string();
  }
  return result.config ? std::move(*result.config) : Config();
}

/// A pool, its registry and the choice of one worker; time passes by hand.
class PoolWorld {
 public:
  explicit PoolWorld(std::string_view backends, std::size_t workers = 1)
      : config(config_with_backends(backends)),
        registry(workers),
        pool(*ServerPool::resolve(config, {}, registry)),
        choice(pool, 0) {}

  /// The connection stays until leave().
  std::uint32_t pick(const std::vector<std::uint32_t>& tried = {}) {
    ServerPlace place;
    const std::uint32_t server =
        choice.pick({.backend = 0, .source = source, .tried = tried, .now = now}, place);
    if (server < ServerChoice::all_full) places.emplace(server, std::move(place));
    return server;
  }
  void leave(std::uint32_t server) { places.erase(places.find(server)); }
  /// So many picks that end at once: how often each server was picked.
  std::map<std::uint32_t, int> picks(int count) {
    std::map<std::uint32_t, int> found;
    for (int i = 0; i < count; ++i) {
      const std::uint32_t server = pick();
      ++found[server];
      if (server < ServerChoice::all_full) leave(server);
    }
    return found;
  }
  ServerState& state(std::uint32_t server) { return *pool.servers(0)[server].state; }
  void fail_connects(std::uint32_t server, int count) {
    for (int i = 0; i < count; ++i) choice.connect_failed(0, server, Status::refused, now);
  }

  Config config;
  ServerRegistry registry;
  ServerPool pool;
  ServerChoice choice;
  std::multimap<std::uint32_t, ServerPlace> places;
  std::optional<IpAddress> source;
  std::chrono::microseconds now{std::chrono::seconds{1'000}};
};

}  // namespace portshare
