#include "dispatch/control/connection_list.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "core/host_name.h"

namespace portshare {

namespace {

std::string id_of(const ConnectionView& view) {
  return fmt::format("{}-{}", view.worker, view.number);
}

bool matches_name(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with("*.")) return pattern == name;
  return name.size() >= pattern.size() && name.ends_with(pattern.substr(1));
}

/// In the form in which connections have their names; none: it is no name.
std::optional<std::string> name_pattern(std::string_view text) {
  const std::string_view below = text.starts_with("*.") ? text.substr(0, 2) : "";
  const auto name = HostName::from_authority(text.substr(below.size()));
  if (!name) return std::nullopt;
  return fmt::format("{}{}", below, name->view());
}

}  // namespace

ConnectionInfo ConnectionInfo::of(const ConnectionView& view) {
  return {.id = id_of(view),
          .listener = std::string(view.listener),
          .backend = std::string(view.backend),
          .server = std::string(view.server),
          .name = std::string(view.name),
          .protocol = std::string(view.protocol),
          .state = std::string(view.state),
          .client = view.client,
          .destination = view.destination,
          .age = view.age,
          .idle = view.idle,
          .bytes_in = view.bytes_in,
          .bytes_out = view.bytes_out};
}

std::expected<ConnectionFilter, std::string> ConnectionFilter::parse(
    const std::vector<std::pair<std::string, std::string>>& parameters) {
  ConnectionFilter filter;
  for (const auto& [key, value] : parameters) {
    if (key == "id") {
      filter.id = value;
    } else if (key == "listener") {
      filter.listener = value;
    } else if (key == "backend") {
      filter.backend = value;
    } else if (key == "server") {
      filter.server = value;
    } else if (key == "name") {
      auto pattern = name_pattern(value);
      if (!pattern) return std::unexpected(fmt::format("name: '{}' is no name and no *.NAME", value));
      filter.name = std::move(*pattern);
    } else if (key == "state") {
      if (std::ranges::find(connection_states, value) == connection_states.end()) {
        return std::unexpected(
            fmt::format("state: '{}' is none of {}", value, fmt::join(connection_states, ", ")));
      }
      filter.state = value;
    } else if (key == "client") {
      const auto prefix = IpPrefix::parse(value);
      if (!prefix) return std::unexpected(fmt::format("client: '{}' is no address and no prefix", value));
      filter.client = *prefix;
    } else if (key == "all") {
      if (!value.empty()) return std::unexpected(fmt::format("all: takes no value, and not '{}'", value));
      filter.all = true;
    } else if (key == "limit") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), filter.limit);
      if (error != std::errc{} || end != value.data() + value.size() || filter.limit > highest_limit) {
        return std::unexpected(fmt::format("limit: '{}' is no number up to {}", value, highest_limit));
      }
    } else {
      return std::unexpected(fmt::format(
          "there is no filter '{}': use id, listener, backend, server, name, state, client, limit", key));
    }
  }
  return filter;
}

bool ConnectionFilter::matches(const ConnectionView& connection) const {
  if (listener && *listener != connection.listener) return false;
  if (backend && *backend != connection.backend) return false;
  if (server && *server != connection.server) return false;
  if (state && *state != connection.state) return false;
  if (name && !matches_name(*name, connection.name)) return false;
  if (client && !(connection.client && client->contains(connection.client->address))) return false;
  return !id || *id == id_of(connection);
}

}  // namespace portshare
