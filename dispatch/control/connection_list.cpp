#include "dispatch/control/connection_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace portshare {

namespace {

std::string id_of(const ConnectionView& view) {
  return fmt::format("{}-{}", view.worker, view.number);
}

bool matches_name(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with("*.")) return pattern == name;
  return name.size() >= pattern.size() && name.ends_with(pattern.substr(1));
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
      filter.name = value;
    } else if (key == "state") {
      filter.state = value;
    } else if (key == "client") {
      const auto prefix = IpPrefix::parse(value);
      if (!prefix) return std::unexpected(fmt::format("client: '{}' is no address and no prefix", value));
      filter.client = *prefix;
    } else if (key == "all") {
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
