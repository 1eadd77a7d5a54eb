#include "dispatch/port_owner_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "dispatch/port_owner_text.h"

namespace portshare {
namespace {

std::string_view state_text(const LocalSocket& socket) {
  switch (socket.state) {
    case LocalSocket::State::listening:
      return "listen";
    case LocalSocket::State::bound:
      return "bound";
    case LocalSocket::State::connected:
      return "connected";
    case LocalSocket::State::time_wait:
      return "time_wait";
  }
  return "";
}

/// Sockets that differ in nothing that is shown: a server with SO_REUSEPORT may have one for each thread.
struct Row {
  const PortOwner* owner;
  std::size_t sockets = 1;
};

bool same_processes(const PortOwner& one, const PortOwner& other) {
  return std::ranges::equal(one.processes, other.processes, {}, &ProcessInfo::pid, &ProcessInfo::pid);
}

bool look_alike(const PortOwner& one, const PortOwner& other) {
  return one.socket.transport == other.socket.transport && one.socket.state == other.socket.state &&
         one.socket.local == other.socket.local && one.socket.remote == other.socket.remote &&
         one.socket.takes_both == other.socket.takes_both && one.interface == other.interface &&
         one.network_namespace == other.network_namespace && one.user == other.user &&
         same_processes(one, other);
}

std::vector<Row> rows_of(const PortOwners& found) {
  std::vector<Row> rows;
  for (const PortOwner& owner : found.owners) {
    const auto alike =
        std::ranges::find_if(rows, [&](const Row& row) { return look_alike(*row.owner, owner); });
    if (alike == rows.end()) {
      rows.push_back({.owner = &owner});
    } else {
      ++alike->sockets;
    }
  }
  return rows;
}

using Cells = std::array<std::string, 7>;
constexpr std::array<std::string_view, 7> headings{"PROTO",   "STATE", "ADDRESS", "PID",
                                                   "PROGRAM", "USER",  "UNIT"};
constexpr std::size_t pid_column = 3;

Cells cells_of(const PortOwner& owner) {
  Cells cells{std::string(to_string(owner.socket.transport)),
              std::string(state_text(owner.socket)),
              address_text(owner),
              "-",
              "-",
              printable(owner.user),
              group_text(owner.control_group)};
  if (!owner.processes.empty()) {
    cells[pid_column] = std::to_string(owner.processes.front().pid);
    cells[pid_column + 1] = printable(owner.processes.front().program);
    // Whom it belongs to now, which need not be who opened the socket.
    cells[pid_column + 2] = printable(user_name(owner.processes.front().user));
  }
  return cells;
}

/// "1,204"
std::string with_commas(std::size_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

/// The other processes that have the socket, by program and user.
std::string companions_text(const PortOwner& owner) {
  constexpr std::size_t most_pids = 8;
  std::string pids;
  for (std::size_t i = 1; i < owner.processes.size() && i <= most_pids; ++i) {
    pids.append(i == 1 ? "" : ", ").append(std::to_string(owner.processes[i].pid));
  }
  if (owner.processes.size() > most_pids + 1) {
    pids += fmt::format(" and {} more", owner.processes.size() - 1 - most_pids);
  }
  const ProcessInfo& second = owner.processes[1];
  return fmt::format("shared with pid{} {}: {}, user {}", owner.processes.size() > 2 ? "s" : "", pids,
                     printable(second.program), user_name(second.user));
}

/// What is particular about a socket, in a line or none.
std::vector<std::string> notes_of(const Row& row) {
  const PortOwner& owner = *row.owner;
  std::string notes;
  const auto note = [&](const std::string& text) { notes.append(notes.empty() ? "" : "; ").append(text); };
  if (owner.socket.state == LocalSocket::State::connected) {
    note(fmt::format("to {}", owner.socket.remote.to_string()));
  }
  if (owner.socket.takes_both) note("IPv6 and IPv4");
  if (row.sockets > 1) note(fmt::format("{} sockets", row.sockets));
  if (owner.shares_port.value_or(false)) note("lets its user's other programs join in (SO_REUSEPORT)");
  if (!owner.network_namespace.empty()) {
    note(fmt::format("in the network namespace {}", printable(owner.network_namespace)));
  }
  if (notes.empty()) return {};
  return {std::move(notes)};
}

/// What stands below a line of the table. `above`: the line before it, or null.
std::vector<std::string> details_of(const Row& row, const Row* above) {
  const PortOwner& owner = *row.owner;
  std::vector<std::string> details;
  if (!owner.processes.empty()) {
    if (above != nullptr && same_processes(owner, *above->owner)) return notes_of(row);
    if (std::string command = command_line_text(owner.processes.front()); !command.empty()) {
      details.push_back(std::move(command));
    }
    if (owner.processes.size() > 1) details.push_back(companions_text(owner));
  } else if (owner.process_is_hidden) {
    details.emplace_back("pid not visible: run as root");
  } else {
    details.emplace_back("no process that can be seen from here: the kernel's own, or another container's");
  }
  std::ranges::move(notes_of(row), std::back_inserter(details));
  return details;
}

std::string connections_text(const ConnectionCount& count) {
  std::string text = fmt::format("{} port {}: ", to_string(count.transport), count.port);
  if (count.open > 0) {
    text += fmt::format("and {} connection{}", with_commas(count.open), count.open == 1 ? "" : "s");
  }
  if (count.in_time_wait > 0) {
    text += fmt::format("{}{} in TIME_WAIT", count.open > 0 ? ", " : "and ", with_commas(count.in_time_wait));
  }
  if (!count.network_namespace.empty()) {
    text += fmt::format(" in the network namespace {}", printable(count.network_namespace));
  }
  return text;
}

std::string cut(std::string text, std::optional<std::size_t> columns) {
  constexpr std::string_view mark = "...";
  if (!columns || text.size() <= *columns || *columns <= mark.size()) return text;
  text.resize(*columns - mark.size());
  return text.append(mark);
}

nlohmann::ordered_json or_null(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(text);
}

nlohmann::ordered_json to_json(const ProcessInfo& process) {
  return {{"pid", process.pid},
          {"parent", process.parent},
          {"program", process.program},
          {"command_line", process.command_line},
          {"uid", process.user},
          {"user", user_name(process.user)},
          {"unit", or_null(process.control_group.unit)},
          {"container", or_null(process.control_group.container)}};
}

}  // namespace

std::string port_owners_table(const PortOwners& found, std::optional<std::size_t> columns) {
  const std::vector<Row> rows = rows_of(found);
  std::vector<Cells> cells;
  std::array<std::size_t, headings.size()> widths{};
  for (std::size_t i = 0; i < headings.size(); ++i) widths[i] = headings[i].size();
  for (const Row& row : rows) {
    cells.push_back(cells_of(*row.owner));
    for (std::size_t i = 0; i < headings.size(); ++i) widths[i] = std::max(widths[i], cells.back()[i].size());
  }
  const auto line = [&](const auto& texts) {
    std::string result;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const bool is_number = i == pid_column;
      result += is_number ? fmt::format("{:>{}}  ", texts[i], widths[i])
                          : fmt::format("{:<{}}  ", texts[i], widths[i]);
    }
    result.resize(result.find_last_not_of(' ') + 1);
    return result + "\n";
  };
  const std::string indent(widths[0] + 2, ' ');
  std::string table;
  if (!rows.empty()) table += line(headings);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    table += line(cells[i]);
    for (std::string& detail : details_of(rows[i], i == 0 ? nullptr : &rows[i - 1]))
      table += cut(indent + std::move(detail), columns) + "\n";
  }
  for (const ConnectionCount& count : found.connections) table += connections_text(count) + "\n";
  for (const std::string& missed : found.missed_namespaces) {
    table += fmt::format("the network namespace {} is not visible: run as root\n", printable(missed));
  }
  return table;
}

nlohmann::ordered_json to_json(const PortOwner& owner) {
  const LocalSocket& socket = owner.socket;
  nlohmann::ordered_json processes = nlohmann::ordered_json::array();
  for (const ProcessInfo& process : owner.processes) processes.push_back(to_json(process));
  nlohmann::ordered_json remote = nullptr;
  if (socket.state == LocalSocket::State::connected) remote = socket.remote.to_string();
  return {{"protocol", to_string(socket.transport)},
          {"state", state_text(socket)},
          {"address", socket.local.address.to_string()},
          {"port", socket.local.port},
          {"ipv4", socket.takes_both || socket.local.address.is_v4()},
          {"ipv6", socket.is_ipv6 && !socket.local.address.is_v4()},
          {"remote", remote},
          {"interface", or_null(owner.interface)},
          {"network_namespace", or_null(owner.network_namespace)},
          {"inode", socket.inode},
          {"uid", socket.user},
          {"user", owner.user},
          {"unit", or_null(owner.control_group.unit)},
          {"container", or_null(owner.control_group.container)},
          {"reuse_port",
           owner.shares_port ? nlohmann::ordered_json(*owner.shares_port) : nlohmann::ordered_json(nullptr)},
          {"process_is_hidden", owner.process_is_hidden},
          {"processes", std::move(processes)}};
}

nlohmann::ordered_json to_json(const PortOwners& found) {
  nlohmann::ordered_json sockets = nlohmann::ordered_json::array();
  for (const PortOwner& owner : found.owners) sockets.push_back(to_json(owner));
  nlohmann::ordered_json connections = nlohmann::ordered_json::array();
  for (const ConnectionCount& count : found.connections) {
    connections.push_back({{"protocol", to_string(count.transport)},
                           {"port", count.port},
                           {"network_namespace", or_null(count.network_namespace)},
                           {"open", count.open},
                           {"time_wait", count.in_time_wait}});
  }
  return {{"sockets", std::move(sockets)},
          {"connections", std::move(connections)},
          {"missed_network_namespaces", found.missed_namespaces}};
}

}  // namespace portshare
