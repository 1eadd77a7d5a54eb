// To which service or container a process belongs, as its control group tells (cgroups(7)).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace portshare {

struct ControlGroup {
  /// The systemd unit: "nginx.service", "session-3.scope"; empty: none.
  std::string unit;
  /// It belongs to a user's own manager, `systemctl --user`, instead of the system's.
  bool is_of_user_manager = false;
  /// "docker 3f2a9c0b1d2e", "podman 3f2a9c0b1d2e", "lxc web", "nspawn web"; empty: none.
  std::string container;
  /// Whether `systemctl stop` would end it: a service, not a login session or the manager itself.
  [[nodiscard]] bool can_be_stopped() const { return unit.ends_with(".service"); }
};

/// From the path of a group, "/system.slice/nginx.service".
[[nodiscard]] ControlGroup parse_control_group_path(std::string_view path);

/// From the content of /proc/PID/cgroup, of version 1 or 2.
[[nodiscard]] ControlGroup parse_control_groups(std::string_view content);

/// The group whose directory in cgroup v2 has that inode number, which sockets carry; searches all of them.
/// Empty if it is not there any more.
[[nodiscard]] ControlGroup find_control_group(std::uint64_t inode);

}  // namespace portshare
