#include "dispatch/loops.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "platform/local_addresses.h"

namespace portshare {
namespace {

std::string message(std::string_view server, std::string_view circle) {
  return fmt::format("'servers': {} leads back to portshare: {}", server, circle);
}

}  // namespace

LoopFinder::LoopFinder(const Config& config, const std::vector<ListenerAddress>& listening,
                       const std::vector<std::vector<SocketAddress>>& servers, IsLocal is_local)
    : config_(config), listening_(listening), is_local_(std::move(is_local)), leads_to_(servers.size()) {
  for (std::size_t backend = 0; backend < servers.size(); ++backend) {
    for (const SocketAddress& server : servers[backend]) {
      const std::uint32_t listener = owner(server, false);
      if (listener != none) leads_to_[backend].push_back(listener);
    }
  }
}

/// The listener that takes connections to this address.
std::uint32_t LoopFinder::owner(const SocketAddress& server, bool as_if_local) const {
  for (const auto& [listener, address] : listening_) {
    if (address == server) return listener;
    if (!address.ip || !server.ip || address.ip->port != server.ip->port) continue;
    const bool is_covered = address.ip->address.is_unspecified() &&
                            address.ip->address.is_v4() == server.ip->address.is_v4() &&
                            !config_.listeners[listener].excepts(server.ip->address);
    if (is_covered && (as_if_local || is_local_(server.ip->address))) return listener;
  }
  return none;
}

std::optional<std::string> LoopFinder::circle(std::uint32_t backend, const SocketAddress& server) const {
  const std::uint32_t listener = owner(server, false);
  return listener == none ? std::nullopt : way_back(listener, backend);
}

bool LoopFinder::might_close_circle(std::uint32_t backend, const SocketAddress& server) const {
  if (owner(server, false) != none) return false;
  const std::uint32_t listener = owner(server, true);
  return listener != none && way_back(listener, backend).has_value();
}

/// The shortest way from `listener` to one that leads to `backend`.
std::optional<std::string> LoopFinder::way_back(std::uint32_t listener, std::uint32_t backend) const {
  std::vector<Step> steps(config_.listeners.size());
  std::vector<bool> seen(config_.listeners.size());
  std::vector<std::uint32_t> reached{listener};
  seen[listener] = true;
  for (std::size_t next = 0; next < reached.size(); ++next) {
    const std::uint32_t at = reached[next];
    const std::vector<std::uint32_t>& backends = config_.listeners[at].backends;
    if (std::ranges::binary_search(backends, backend)) return describe(steps, at, backend);
    for (const std::uint32_t over : backends) {
      for (const std::uint32_t to : leads_to_[over]) {
        if (seen[to]) continue;
        seen[to] = true;
        steps[to] = {.backend = over, .listener = at};
        reached.push_back(to);
      }
    }
  }
  return std::nullopt;
}

std::string LoopFinder::describe(const std::vector<Step>& steps, std::uint32_t last,
                                 std::uint32_t backend) const {
  std::string way;
  for (std::uint32_t at = last; at != none; at = steps[at].listener) {
    way.insert(0, fmt::format(" -> listener '{}'", config_.listeners[at].name));
    if (steps[at].backend != none) {
      way.insert(0, fmt::format(" -> backend '{}'", config_.backends[steps[at].backend].name));
    }
  }
  return fmt::format("listener '{}' -> backend '{}'{}", config_.listeners[last].name,
                     config_.backends[backend].name, way);
}

void check_loops(const Config& config, DiagnosticList& diagnostics) {
  std::vector<ListenerAddress> listening;
  for (std::uint32_t listener = 0; listener < config.listeners.size(); ++listener) {
    for (const SocketAddress& address : config.listeners[listener].bind) {
      listening.push_back({.listener = listener, .address = address});
    }
  }
  std::vector<std::vector<SocketAddress>> servers;
  for (const BackendConfig& backend : config.backends) {
    servers.emplace_back();
    for (const ServerAddress& server : backend.servers) {
      if (server.address) servers.back().push_back(*server.address);
    }
  }
  LocalAddresses local;
  const LoopFinder finder(config, listening, servers,
                          [&](const IpAddress& address) { return local.contains(address); });
  for (std::uint32_t backend = 0; backend < config.backends.size(); ++backend) {
    for (const ServerAddress& server : config.backends[backend].servers) {
      const auto circle = server.address ? finder.circle(backend, *server.address) : std::nullopt;
      if (circle) diagnostics.error(server.position, message(fmt::format("'{}'", server.text), *circle));
    }
  }
}

std::expected<void, std::string> check_loops(const Config& config,
                                             const std::vector<ListenerAddress>& listening,
                                             ServerPool& servers) {
  std::vector<std::vector<SocketAddress>> addresses(servers.backend_count());
  for (std::uint32_t backend = 0; backend < servers.backend_count(); ++backend) {
    for (const Server& server : servers.servers(backend)) addresses[backend].push_back(server.address);
  }
  LocalAddresses local;
  const LoopFinder finder(config, listening, addresses,
                          [&](const IpAddress& address) { return local.contains(address); });
  const PortRange ephemeral = ephemeral_ports();
  DiagnosticList diagnostics(config.file);
  for (std::uint32_t backend = 0; backend < servers.backend_count(); ++backend) {
    for (Server& server : servers.servers_to_mark(backend)) {
      if (const auto circle = finder.circle(backend, server.address)) {
        const ServerAddress& configured = config.backends[backend].servers[server.configured];
        const std::string text = configured.text == server.text
                                     ? fmt::format("'{}'", server.text)
                                     : fmt::format("'{}' ({})", configured.text, server.text);
        diagnostics.error(configured.position, message(text, *circle));
      }
      server.leads_back_if_local = finder.might_close_circle(backend, server.address);
      const bool may_meet_itself = server.address.ip && ephemeral.contains(server.address.ip->port) &&
                                   local.contains(server.address.ip->address);
      server.may_be_ourselves = server.leads_back_if_local || may_meet_itself;
    }
  }
  std::string errors;
  for (const Diagnostic& diagnostic : diagnostics.take_sorted()) {
    errors.append(errors.empty() ? "" : "\n").append(diagnostic.to_string());
  }
  if (errors.empty()) return {};
  return std::unexpected(std::move(errors));
}

}  // namespace portshare
