#include "dispatch/worker_snapshot.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace portshare {

namespace {

bool needs_the_source(const BackendConfig& backend) {
  return backend.balance == Balance::source_hash || backend.is_transparent;
}

}  // namespace

WorkerSnapshot::WorkerSnapshot(std::shared_ptr<const Snapshot> snapshot, std::uint32_t worker,
                               bool logs_access)
    : snapshot_(std::move(snapshot)),
      config_(*snapshot_->config),
      servers_(*snapshot_->servers),
      metric_ids_(snapshot_->metric_ids ? snapshot_->metric_ids : MetricRegistry().ids_for(config_)),
      choice_(servers_, worker),
      logs_access_(logs_access && config_.server.log.access != LogConfig::AccessTarget::off),
      client_first_streaks_(config_.backends.size()) {
  assert(snapshot_->admission || std::ranges::none_of(config_.listeners, &ListenerConfig::has_limits));
  const bool announces = std::ranges::any_of(config_.backends, [](const BackendConfig& backend) {
    return backend.proxy_header != ProxyHeaderVersion::off;
  });
  const bool names_clients = announces || std::ranges::any_of(config_.backends, &BackendConfig::forwarded);
  for (const ListenerConfig& listener : config_.listeners) {
    const bool has_source_rules = !listener.allow.empty() || !listener.deny.empty() ||
                                  !listener.trusted.empty() || listener.source_limits.any();
    const bool connects_by_source = std::ranges::any_of(listener.backends, [&](std::uint32_t backend) {
      return needs_the_source(config_.backends[backend]);
    });
    needs_.push_back({.source = logs_access_ || names_clients || has_source_rules || connects_by_source ||
                                listener.routes_look_at_source,
                      .destination = logs_access_ || announces || listener.routes_look_at_destination});
  }
}

std::optional<std::uint32_t> WorkerSnapshot::same_listener(const WorkerSnapshot& there,
                                                           std::uint32_t listener) const {
  return listener_named(there.config().listeners[listener].name);
}

std::optional<std::uint32_t> WorkerSnapshot::listener_named(std::string_view name) const {
  const auto& listeners = config_.listeners;
  const auto same = std::ranges::find(listeners, name, &ListenerConfig::name);
  if (same == listeners.end()) return std::nullopt;
  return static_cast<std::uint32_t>(same - listeners.begin());
}

std::optional<WorkerSnapshot::Place> WorkerSnapshot::same_server(const WorkerSnapshot& there,
                                                                 const Place& place) const {
  return place_of(there.config().backends[place.backend].name,
                  there.servers().servers(place.backend)[place.server].text);
}

std::optional<WorkerSnapshot::Place> WorkerSnapshot::place_of(std::string_view backend_name,
                                                              std::string_view server_text) const {
  const auto& backends = config_.backends;
  const auto backend = std::ranges::find(backends, backend_name, &BackendConfig::name);
  if (backend == backends.end()) return std::nullopt;
  const auto index = static_cast<std::uint32_t>(backend - backends.begin());
  const auto& servers = servers_.servers(index);
  const auto server = std::ranges::find(servers, server_text, &Server::text);
  if (server == servers.end()) return std::nullopt;
  return Place{.backend = index, .server = static_cast<std::uint32_t>(server - servers.begin())};
}

}  // namespace portshare
