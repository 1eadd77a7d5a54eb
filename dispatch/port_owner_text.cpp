#include "dispatch/port_owner_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace portshare {
namespace {

std::string quoted(std::string_view word) {
  constexpr std::string_view special = " \t\n'\"\\$`&|;<>()*?[]#~!{}";
  if (!word.empty() && word.find_first_of(special) == std::string_view::npos) return printable(word);
  std::string result = "'";
  for (const char character : word) {
    if (character == '\'') {
      result += "'\\''";
    } else {
      result += printable({&character, 1});
    }
  }
  return result + "'";
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  for (const char character : text) {
    if (character >= ' ' && character <= '~') {
      result += character;
    } else {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(character));
    }
  }
  return result;
}

std::string command_line_text(const ProcessInfo& process) {
  // A single word with spaces is a title that the program has written: "nginx: master process …".
  if (process.command_line.size() == 1) return printable(process.command_line.front());
  std::string result;
  for (const std::string& word : process.command_line) {
    result.append(result.empty() ? "" : " ").append(quoted(word));
  }
  return result;
}

std::string address_text(const PortOwner& owner) {
  const LocalSocket& socket = owner.socket;
  if (socket.takes_both) {
    return fmt::format("*{}{}:{}", owner.interface.empty() ? "" : "%", owner.interface, socket.local.port);
  }
  if (owner.interface.empty()) return socket.local.to_string();
  std::string address = fmt::format("{}%{}", socket.local.address.to_string(), printable(owner.interface));
  if (!socket.local.address.is_v4()) address = fmt::format("[{}]", address);
  return fmt::format("{}:{}", address, socket.local.port);
}

std::string group_text(const ControlGroup& group) {
  std::string text = printable(group.unit);
  if (!text.empty() && group.is_of_user_manager) text += " (--user)";
  if (!group.container.empty()) return printable(group.container);
  return text;
}

std::string owner_text(const PortOwner& owner) {
  const std::string group = group_text(owner.control_group);
  const auto in_group = [&](std::string_view before) {
    return group.empty() ? "" : fmt::format("{}{}", before, group);
  };
  const std::string place = owner.network_namespace.empty()
                                ? ""
                                : fmt::format(", network namespace {}", printable(owner.network_namespace));
  if (owner.processes.empty()) {
    if (owner.process_is_hidden) {
      return fmt::format("a process of user {}{}{} (pid not visible: run as root)", owner.user,
                         in_group(", "), place);
    }
    return fmt::format("the kernel, or a process that cannot be seen from here (user {}{}{})", owner.user,
                       in_group(", "), place);
  }
  const ProcessInfo& first = owner.processes.front();
  const std::size_t others = owner.processes.size() - 1;
  return fmt::format("{} (pid {}{}, user {}{}{})", printable(first.program), first.pid,
                     others == 0 ? "" : fmt::format(" and {} more", others), user_name(first.user),
                     in_group(", "), place);
}

std::string stop_command(const PortOwner& owner) {
  // It stands in for a container, but belongs to the service of all of them.
  if (!owner.processes.empty() && owner.processes.front().program == "docker-proxy") {
    return fmt::format("docker stop $(docker ps -q --filter publish={})", owner.socket.local.port);
  }
  const ControlGroup& group = owner.control_group;
  const std::string_view container = group.container;
  for (const std::string_view manager : {"docker", "podman"}) {
    if (container.starts_with(manager)) {
      return fmt::format("{} stop {}", manager, quoted(container.substr(manager.size() + 1)));
    }
  }
  if (container.starts_with("lxc ")) return fmt::format("lxc-stop -n {}", quoted(container.substr(4)));
  if (container.empty() && group.can_be_stopped()) {
    return fmt::format("systemctl {}stop {}", group.is_of_user_manager ? "--user " : "", quoted(group.unit));
  }
  // The first process of the system holds the sockets of socket units.
  if (owner.processes.empty()) return {};
  if (owner.processes.front().pid == 1) return "systemctl list-sockets, and then systemctl stop UNIT";
  return fmt::format("kill {}", owner.processes.front().pid);
}

}  // namespace portshare
