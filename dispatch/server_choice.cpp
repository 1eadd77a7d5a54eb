#include "dispatch/server_choice.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace portshare {

namespace {

// A source whose server cannot take it is sent on by further attempts of its hash. If so many lead to nobody,
// hardly anybody is left, and whoever it is takes turns.
constexpr std::uint32_t most_hash_attempts = 64;

}  // namespace

bool ServerChoice::may_take(const Server& server, std::uint32_t index, Pass pass, const Request& request) {
  ServerState& state = *server.state;
  const bool is_open =
      state.is_usable() ||
      (state.is_resting() && (pass == Pass::resting || state.may_be_tried_again(request.now)));
  return is_open && std::ranges::find(request.tried, index) == request.tried.end();
}

bool ServerChoice::enter(const BackendServers& backend, std::uint32_t index, ServerPlace& place) {
  return backend.servers[index].state->enter(worker_, backend.max_connections, backend.counts(), place);
}

std::uint32_t ServerChoice::search(const BackendServers& backend, const Request& request,
                                   ServerPlace& place) {
  std::uint32_t answer = nobody;
  for (const Pass pass : {Pass::usable, Pass::resting}) {
    for (const ServerGroup& group : backend.groups) {
      if (group.count == 0) continue;
      const std::uint32_t found = search(backend, group, pass, request, place);
      if (found < all_full) return found;
      if (found == all_full) answer = all_full;
    }
    // Those that are well have no room: it is better to wait for it than to try one that rests.
    if (answer == all_full) return answer;
  }
  return answer;
}

std::uint32_t ServerChoice::search(const BackendServers& backend, const ServerGroup& group, Pass pass,
                                   const Request& request, ServerPlace& place) {
  switch (backend.balance) {
    case Balance::round_robin:
      return take_turn(backend, group, pass, request, place);
    case Balance::least_connections:
      return take_least(backend, group, pass, request, place);
    case Balance::source_hash:
      return request.source ? take_own(backend, group, pass, request, place)
                            : take_turn(backend, group, pass, request, place);
  }
  return nobody;
}

/// Turns of servers that cannot take them are passed over, so that the others share them by their weights.
std::uint32_t ServerChoice::take_turn(const BackendServers& backend, const ServerGroup& group, Pass pass,
                                      const Request& request, ServerPlace& place) {
  std::uint32_t answer = nobody;
  for (std::uint32_t turns = group.rounds->size(); turns > 0; --turns) {
    const std::uint32_t index = group.first + group.rounds->at(next_turn(group, request));
    if (!may_take(backend.servers[index], index, pass, request)) continue;
    if (enter(backend, index, place)) return index;
    answer = all_full;
  }
  return answer;
}

std::uint32_t ServerChoice::take_least(const BackendServers& backend, const ServerGroup& group, Pass pass,
                                       const Request& request, ServerPlace& place) {
  std::uint32_t answer = nobody;
  // Counts change meanwhile: who was the least may be full when it is asked, and then the search begins
  // again.
  for (std::uint32_t tries = 0; tries <= group.count; ++tries) {
    std::uint32_t least = nobody;
    std::uint64_t least_connections = 0;
    const std::uint32_t start = next_turn(group, request);  // those with as many take turns
    for (std::uint32_t i = 0; i < group.count; ++i) {
      const std::uint32_t index = group.first + (start + i) % group.count;
      const Server& server = backend.servers[index];
      const std::uint64_t connections = server.state->counted_connections();
      if (backend.max_connections != 0 && connections >= backend.max_connections) {
        if (answer == nobody && may_take(server, index, pass, request)) answer = all_full;
        continue;
      }
      // Connections by weight, compared without a division.
      if (least != nobody &&
          (connections + 1) * backend.servers[least].weight >= (least_connections + 1) * server.weight) {
        continue;
      }
      if (!may_take(server, index, pass, request)) continue;
      // Its rest is over, and this connection is the one that tries.
      if (pass == Pass::usable && !server.state->is_usable() && enter(backend, index, place)) return index;
      least = index;
      least_connections = connections;
    }
    if (least == nobody) return answer;
    if (enter(backend, least, place)) return least;
    answer = all_full;
  }
  return answer;
}

std::uint32_t ServerChoice::take_own(const BackendServers& backend, const ServerGroup& group, Pass pass,
                                     const Request& request, ServerPlace& place) {
  const std::uint64_t hash = hash_of_source(*request.source);
  for (std::uint32_t attempt = 0; attempt < most_hash_attempts; ++attempt) {
    const std::uint32_t index = group.first + group.maglev->slot(hash, attempt);
    if (may_take(backend.servers[index], index, pass, request) && enter(backend, index, place)) return index;
  }
  return take_turn(backend, group, pass, request, place);
}

bool ServerChoice::has_room(std::uint32_t backend) const {
  const BackendServers& servers = pool_.backend(backend);
  return std::ranges::any_of(servers.servers, [&](const Server& server) {
    return server.state->is_usable() &&
           (servers.max_connections == 0 || server.state->counted_connections() < servers.max_connections);
  });
}

bool ServerChoice::is_worth_waiting(std::uint32_t backend) const {
  return std::ranges::any_of(pool_.backend(backend).servers,
                             [](const Server& server) { return server.state->is_usable(); });
}

void ServerChoice::connect_succeeded(std::uint32_t backend, std::uint32_t server) const {
  const Server& taken = pool_.backend(backend).servers[server];
  if (taken.state->connect_succeeded(worker_)) {
    spdlog::info("backend '{}': server {} takes connections again", taken.state->backend(), taken.text);
  }
}

void ServerChoice::connect_failed(std::uint32_t backend, std::uint32_t server, Status status,
                                  std::chrono::microseconds now) const {
  const BackendServers& servers = pool_.backend(backend);
  const Server& failed = servers.servers[server];
  if (!failed.state->connect_failed(worker_, status, now, servers.rules)) return;
  if (servers.rules.is_checked) {
    spdlog::warn("backend '{}': server {} is down: connect: {} ({} connects and checks in a row)",
                 failed.state->backend(), failed.text, to_string(status), servers.rules.fall);
  } else if (servers.servers.size() > 1) {
    spdlog::warn("backend '{}': server {} gets no connections for a while: connect: {} ({} in a row)",
                 failed.state->backend(), failed.text, to_string(status), servers.rules.fall);
  }
}

}  // namespace portshare
