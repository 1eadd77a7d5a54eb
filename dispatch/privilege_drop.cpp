#include "dispatch/privilege_drop.h"

#include "platform/local_addresses.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

namespace portshare {
namespace {

/// Without a `user`, root is to go on as one expects of it: it reaches the unix sockets and logs of every
/// user, and finds out which process holds a port.
constexpr Capability expected_of_root[] = {Capability::dac_override, Capability::dac_read_search,
                                           Capability::sys_ptrace};

bool is_privileged(const SocketAddress& address, std::uint16_t first_unprivileged) {
  return address.ip && address.ip->port != 0 && address.ip->port < first_unprivileged;
}

}  // namespace

std::vector<Capability> needed_capabilities(const Config& config) {
  std::vector<Capability> needed;
  const std::uint16_t first_unprivileged = first_unprivileged_port();
  const bool binds_low_ports = std::ranges::any_of(config.listeners, [&](const ListenerConfig& listener) {
    return std::ranges::any_of(listener.bind, [&](const SocketAddress& address) {
      return is_privileged(address, first_unprivileged);
    });
  });
  // Connects that servers are to see as the clients' own (IP_TRANSPARENT).
  if (std::ranges::any_of(config.backends, &BackendConfig::is_transparent)) {
    needed.push_back(Capability::net_admin);
  }
  const auto& monitor = config.server.monitor;
  if (binds_low_ports || (monitor && is_privileged(*monitor, first_unprivileged)))
    needed.push_back(Capability::net_bind_service);
  return needed;
}

std::expected<PrivilegeDrop, std::string> PrivilegeDrop::prepare(const Config& config) {
  PrivilegeDrop drop;
  drop.config_file_ = config.file;
  drop.kept_ = needed_capabilities(config);
  if (!config.server.user.empty()) {
    auto user = find_user(config.server.user);
    if (!user) return std::unexpected(std::move(user.error()));
    if (!runs_as(*user)) drop.user_ = std::move(*user);
    if (drop.user_ && !runs_as_root()) {
      return std::unexpected(fmt::format(
          "cannot become the user '{}': only root can; start portshare as root or as that user, or "
          "remove 'user' from [server]",
          config.server.user));
    }
  }
  if (const auto forbidden = forbid_new_privileges(); !forbidden) return std::unexpected(forbidden.error());
  if (!drop.user_ && runs_as_root()) std::ranges::copy(expected_of_root, std::back_inserter(drop.kept_));
  const auto limited = drop.user_ ? limit_future_capabilities(drop.kept_) : limit_capabilities(drop.kept_);
  if (!limited) return std::unexpected(limited.error());
  return drop;
}

std::expected<void, std::string> PrivilegeDrop::finish() const {
  if (!user_) return {};
  if (const auto became = become_user(*user_, kept_); !became) return became;
  std::vector<std::string> names;
  std::ranges::transform(kept_, std::back_inserter(names),
                         [](Capability capability) { return to_string(capability); });
  spdlog::info("runs as the user '{}' from now on, with {}", user_->name,
               names.empty() ? "no capability" : fmt::format("{}", fmt::join(names, ", ")));
  if (!std::ifstream(config_file_)) {
    spdlog::warn("the user '{}' cannot read {}, and so a reload will fail; give that user the right to",
                 user_->name, config_file_);
  }
  return {};
}

}  // namespace portshare
