#include "platform/control_group.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <vector>

namespace portshare {
namespace {

constexpr std::size_t shown_digits = 12;  // of a container's id, as docker and podman show it

bool is_container_id(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// "/a/b" as "a", "b".
std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> result;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) result.push_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return result;
}

std::string_view without_ending(std::string_view name, std::string_view ending) {
  return name.ends_with(ending) ? name.substr(0, name.size() - ending.size()) : name;
}

struct ContainerPrefix {
  std::string_view prefix;
  std::string_view kind;
};
constexpr std::array container_prefixes{
    ContainerPrefix{"docker-", "docker"},
    ContainerPrefix{"libpod-", "podman"},
    ContainerPrefix{"cri-containerd-", "containerd"},
    ContainerPrefix{"crio-", "cri-o"},
    ContainerPrefix{"nerdctl-", "containerd"},
};

// Where a component names a container; `parent` is the one before it.
std::string container_of(std::string_view parent, std::string_view component) {
  const std::string_view name = without_ending(component, ".scope");
  for (const auto& [prefix, kind] : container_prefixes) {
    if (name.starts_with(prefix) && is_container_id(name.substr(prefix.size()))) {
      return std::string(kind) + " " + std::string(name.substr(prefix.size(), shown_digits));
    }
  }
  if (is_container_id(name)) {
    const std::string_view kind = parent == "docker" ? "docker" : "container";
    return std::string(kind) + " " + std::string(name.substr(0, shown_digits));
  }
  constexpr std::string_view lxc = "lxc.payload.";
  if (name.starts_with(lxc)) return "lxc " + std::string(name.substr(lxc.size()));
  constexpr std::string_view nspawn = "systemd-nspawn@";
  if (name.starts_with(nspawn)) {
    return "nspawn " + std::string(without_ending(name.substr(nspawn.size()), ".service"));
  }
  return {};
}

bool is_unit(std::string_view component) {
  return component.ends_with(".service") || component.ends_with(".scope") || component.ends_with(".socket");
}

}  // namespace

ControlGroup parse_control_group_path(std::string_view path) {
  ControlGroup group;
  std::string_view parent;
  for (const std::string_view component : components(path)) {
    if (std::string container = container_of(parent, component); !container.empty()) {
      // What is below belongs to the container's own manager, and the unit around it is the host's.
      group.container = std::move(container);
      if (is_unit(component)) group.unit = component;
      break;
    }
    // The user's own manager is a unit of the system's, and has units of its own below.
    if (parent.starts_with("user@") && parent.ends_with(".service")) group.is_of_user_manager = true;
    if (is_unit(component)) group.unit = component;
    parent = component;
  }
  return group;
}

ControlGroup parse_control_groups(std::string_view content) {
  std::string_view unified;
  std::string_view named;
  while (!content.empty()) {
    const std::size_t end = std::min(content.find('\n'), content.size());
    const std::string_view line = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    constexpr std::string_view version2 = "0::";
    constexpr std::string_view version1 = ":name=systemd:";
    if (line.starts_with(version2)) unified = line.substr(version2.size());
    if (const std::size_t at = line.find(version1); at != std::string_view::npos) {
      named = line.substr(at + version1.size());
    }
  }
  return parse_control_group_path(unified.size() > 1 ? unified : named);
}

ControlGroup find_control_group(std::uint64_t inode) {
  namespace fs = std::filesystem;
  for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    std::error_code error;
    if (!fs::exists(fs::path(root) / "cgroup.controllers", error)) continue;
    auto entry = fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, error);
    for (; !error && entry != fs::end(entry); entry.increment(error)) {
      std::error_code no_directory;
      if (!entry->is_directory(no_directory)) continue;
      struct stat status{};
      if (::stat(entry->path().c_str(), &status) != 0 || status.st_ino != inode) continue;
      return parse_control_group_path(entry->path().string().substr(std::string_view(root).size()));
    }
  }
  return {};
}

}  // namespace portshare
