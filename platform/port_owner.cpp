#include "platform/port_owner.h"

#include <net/if.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <tuple>
#include <utility>

#include "platform/file_descriptor.h"
#include "platform/network_namespace.h"

namespace portshare {
namespace {

// As many connections of a port are named that nothing but connections holds.
constexpr std::size_t most_named_connections = 16;

std::string interface_name(std::uint32_t index) {
  std::array<char, IF_NAMESIZE> name{};
  if (index == 0) return {};
  return ::if_indextoname(index, name.data()) != nullptr ? name.data() : std::to_string(index);
}

// What a socket of another process says about itself. Needs the right to trace that process (ptrace(2)).
std::optional<bool> reuse_port_of(const SocketHolders::Holder& holder) {
  // glibc has no functions for them.
  const auto call = [](long number, int first, int second) {
    return FileDescriptor(static_cast<int>(::syscall(number, first, second, 0)));
  };
  const FileDescriptor process = call(SYS_pidfd_open, holder.pid, 0);
  if (!process.is_open()) return std::nullopt;
  const FileDescriptor copy = call(SYS_pidfd_getfd, process.get(), holder.descriptor);
  if (!copy.is_open()) return std::nullopt;
  int value = 0;
  socklen_t length = sizeof(value);
  if (::getsockopt(copy.get(), SOL_SOCKET, SO_REUSEPORT, &value, &length) != 0) return std::nullopt;
  return value != 0;
}

void name_owners(std::span<PortOwner> owners) {
  std::vector<std::uint64_t> inodes;
  inodes.reserve(owners.size());
  for (const PortOwner& owner : owners) inodes.push_back(owner.socket.inode);
  const SocketHolders holders = find_socket_holders(inodes);
  std::map<int, ProcessInfo> processes;
  std::map<std::uint64_t, ControlGroup> groups;
  for (PortOwner& owner : owners) {
    owner.user = user_name(owner.socket.user);
    const auto found = holders.of.find(owner.socket.inode);
    if (found != holders.of.end() && !found->second.empty()) {
      for (const SocketHolders::Holder& holder : found->second) {
        const auto [known, is_new] = processes.try_emplace(holder.pid);
        if (is_new) known->second = read_process(holder.pid);
        owner.processes.push_back(known->second);
      }
      const auto has_parent_here = [&](const ProcessInfo& process) {
        return std::ranges::find(found->second, process.parent, &SocketHolders::Holder::pid) !=
               found->second.end();
      };
      std::ranges::stable_partition(owner.processes, std::not_fn(has_parent_here));
      owner.control_group = owner.processes.front().control_group;
      owner.shares_port = reuse_port_of(found->second.front());
      continue;
    }
    owner.process_is_hidden = owner.socket.inode != 0 && holders.some_are_hidden;
    if (owner.socket.control_group == 0) continue;
    const auto [known, is_new] = groups.try_emplace(owner.socket.control_group);
    if (is_new) known->second = find_control_group(owner.socket.control_group);
    owner.control_group = known->second;
  }
  // Two that listen at the same place could not without it.
  for (PortOwner& one : owners) {
    const auto is_twin = [&](const PortOwner& other) {
      return &one != &other && one.socket.state == LocalSocket::State::listening &&
             one.socket.state == other.socket.state && one.socket.local == other.socket.local &&
             one.socket.interface == other.socket.interface && one.socket.is_ipv6 == other.socket.is_ipv6 &&
             one.network_namespace == other.network_namespace;
    };
    if (!one.shares_port && std::ranges::any_of(owners, is_twin)) one.shares_port = true;
  }
}

// Gathers the sockets of one namespace after the other.
class Search {
 public:
  explicit Search(std::span<const PortQuery> queries) : queries_(queries) {
    for (const PortQuery& query : queries) ports_.push_back(query.port);
    std::ranges::sort(ports_);
    ports_.erase(std::ranges::unique(ports_).begin(), ports_.end());
  }

  std::expected<void, std::string> look(const std::string& network_namespace) {
    auto sockets = list_sockets(ports_, ListedSockets::all);
    if (!sockets) return std::unexpected(std::move(sockets.error()));
    std::vector<LocalSocket> connections;
    for (const LocalSocket& socket : *sockets) {
      if (std::ranges::none_of(queries_, [&](const PortQuery& query) { return query.covers(socket); }))
        continue;
      if (socket.state == LocalSocket::State::listening || socket.state == LocalSocket::State::bound) {
        add(socket, network_namespace);
      } else {
        connections.push_back(socket);
      }
    }
    add_connections(connections, network_namespace);
    return {};
  }

  void miss(const std::string& network_namespace) { found_.missed_namespaces.push_back(network_namespace); }

  PortOwners take() {
    name_owners(found_.owners);
    std::ranges::stable_sort(found_.owners, {}, [](const PortOwner& owner) {
      return std::tie(owner.network_namespace, owner.socket.local.port, owner.socket.transport,
                      owner.socket.state, owner.socket.is_ipv6, owner.socket.local.address);
    });
    return std::move(found_);
  }

 private:
  void add(const LocalSocket& socket, const std::string& network_namespace) {
    // Interfaces have their numbers per namespace, and we are in the one that we look at.
    std::string interface = interface_name(socket.interface);
    found_.owners.push_back({.socket = socket,
                             .interface = std::move(interface),
                             .network_namespace = network_namespace,
                             .processes = {},
                             .process_is_hidden = false,
                             .user = {},
                             .control_group = {},
                             .shares_port = {}});
  }

  void add_connections(const std::vector<LocalSocket>& connections, const std::string& network_namespace) {
    std::map<std::pair<std::uint16_t, Transport>, std::vector<LocalSocket>> by_port;
    for (const LocalSocket& each : connections) {
      by_port[{each.local.port, each.transport}].push_back(each);
    }
    for (const auto& [key, of_port] : by_port) {
      const auto [port, transport] = key;
      const bool is_held = std::ranges::any_of(found_.owners, [&](const PortOwner& owner) {
        return owner.socket.local.port == port && owner.socket.transport == transport &&
               owner.network_namespace == network_namespace;
      });
      ConnectionCount count{.transport = transport,
                            .port = port,
                            .network_namespace = network_namespace,
                            .open = 0,
                            .in_time_wait = 0};
      std::size_t named = 0;
      for (const LocalSocket& each : of_port) {
        if (each.state == LocalSocket::State::time_wait) {
          ++count.in_time_wait;
        } else if (!is_held && each.inode != 0 && named < most_named_connections) {
          add(each, network_namespace);
          ++named;
        } else {
          ++count.open;
        }
      }
      if (count.open + count.in_time_wait > 0) found_.connections.push_back(std::move(count));
    }
  }

  std::span<const PortQuery> queries_;
  std::vector<std::uint16_t> ports_;
  PortOwners found_;
};

}  // namespace

bool PortQuery::covers(const LocalSocket& socket) const {
  if (socket.local.port != port) return false;
  if (!address) return true;
  LocalSocket asked;
  asked.local = {.address = *address, .port = port};
  return addresses_overlap(asked, socket);
}

std::expected<PortOwners, std::string> find_port_owners(std::span<const PortQuery> queries,
                                                        SearchedNamespaces where) {
  Search search(queries);
  if (const auto looked = search.look(""); !looked) return std::unexpected(looked.error());
  if (where == SearchedNamespaces::all) {
    for (const NetworkNamespace& other : other_network_namespaces()) {
      bool is_searched = false;
      const bool has_entered =
          run_in_network_namespace(other, [&] { is_searched = search.look(other.name).has_value(); });
      if (!has_entered || !is_searched) search.miss(other.name);
    }
  }
  return search.take();
}

std::vector<PortOwner> identify(std::span<const LocalSocket> sockets) {
  std::vector<PortOwner> owners(sockets.size());
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    owners[i].socket = sockets[i];
    owners[i].interface = interface_name(sockets[i].interface);
  }
  name_owners(owners);
  return owners;
}

}  // namespace portshare
