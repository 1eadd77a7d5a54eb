#include "dispatch/bind_failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "dispatch/port_owner_text.h"
#include "platform/interface_address.h"
#include "platform/local_addresses.h"
#include "platform/port_owner.h"
#include "platform/process_id.h"

namespace portshare {
namespace {

constexpr std::size_t most_owners = 4;
constexpr std::size_t most_addresses = 16;

/// What an owner of the port has to do with it.
std::string relation_text(const PortOwner& owner) {
  switch (owner.socket.state) {
    case LocalSocket::State::listening:
      return fmt::format("listens on {}", address_text(owner));
    case LocalSocket::State::bound:
      return fmt::format("has bound {}, without listening", address_text(owner));
    case LocalSocket::State::connected:
    case LocalSocket::State::time_wait:
      break;
  }
  return fmt::format("uses {} for its connection to {}", address_text(owner),
                     owner.socket.remote.to_string());
}

/// The sockets of the same processes, and in what they are in the way.
struct Owner {
  std::vector<const PortOwner*> sockets;
  std::vector<std::string> relations;
};

std::vector<Owner> by_owner(const std::vector<PortOwner>& sockets) {
  std::vector<Owner> owners;
  for (const PortOwner& socket : sockets) {
    auto owner = std::ranges::find_if(
        owners, [&](const Owner& each) { return owner_text(*each.sockets.front()) == owner_text(socket); });
    if (owner == owners.end()) owner = owners.emplace(owners.end());
    owner->sockets.push_back(&socket);
    // Several of one address look alike.
    const std::string relation = relation_text(socket);
    if (std::ranges::find(owner->relations, relation) == owner->relations.end()) {
      owner->relations.push_back(relation);
    }
  }
  return owners;
}

class Advice {
 public:
  /// `listener`: null for the monitor.
  Advice(const ListenerConfig* listener, const SocketAddress& address, const ListenError& error)
      : listener_(listener), address_(address) {
    line(listener != nullptr ? fmt::format("listener '{}': {}", listener->name, error.message)
                             : fmt::format("monitor: {}", error.message));
    const std::error_code code(error.system_error, std::generic_category());
    if (code == std::errc::address_in_use) {
      if (address.ip) {
        name_owners();
      } else {
        name_unix_owner();
      }
    }
    if (!address.ip) return;
    if (is_link_local(address.ip->address)) {
      point("a link-local address belongs to one interface, which 'bind' cannot name: take another, or [::]");
      return;
    }
    if (code == std::errc::permission_denied || code == std::errc::operation_not_permitted) permission();
    if (code == std::errc::address_not_available) addresses();
  }

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void line(std::string_view text) { text_.append(text_.empty() ? "" : "\n").append(text); }
  void point(std::string_view text) { line(fmt::format("  {}", text)); }

  void name_owners() {
    const PortQuery query{.address = address_.ip->address, .port = address_.ip->port};
    auto found = find_port_owners(std::span(&query, 1), SearchedNamespaces::own);
    if (!found) {
      point(fmt::format("who holds it is not known: {}", found.error()));
      return;
    }
    std::erase_if(found->owners,
                  [](const PortOwner& owner) { return owner.socket.transport != Transport::tcp; });
    std::vector<Owner> owners = by_owner(found->owners);
    if (owners.size() > most_owners) {
      owners.resize(most_owners);
      point(fmt::format("these, and more (portshare who {}):", query.port));
    }
    for (const Owner& owner : owners) name_owner(owner);
    if (!found->owners.empty()) return;
    point(
        fmt::format("who held it cannot be seen: perhaps it has just ended; try again, or: portshare who {}",
                    query.port));
    point("Linux before 6.8 does not show who has bound a port without listening");
  }

  void name_owner(const Owner& owner) {
    const PortOwner& first = *owner.sockets.front();
    for (const std::string& relation : owner.relations)
      point(fmt::format("{} {}", owner_text(first), relation));
    if (!first.processes.empty()) {
      if (const std::string command = command_line_text(first.processes.front()); !command.empty()) {
        point(fmt::format("  its command line: {}", command));
      }
    }
    if (first.socket.state == LocalSocket::State::connected) {
      advise_against_connection(first);
    } else {
      advise_against_listener(owner);
    }
  }

  void advise_against_listener(const Owner& owner) {
    const PortOwner& first = *owner.sockets.front();
    if (std::ranges::find(first.processes, process_id(), &ProcessInfo::pid) != first.processes.end()) {
      point("- that is this program, which gives the address up at the end of the reload: take two reloads");
      return;
    }
    if (const std::string stop = stop_command(first); !stop.empty())
      point(fmt::format("- stop it: {}", stop));
    if (!first.processes.empty() && first.processes.front().program == "portshare") {
      point(fmt::format("- or, to change what it does, let it read its configuration again: kill -HUP {}",
                        first.processes.front().pid));
      return;
    }
    if (listener_ == nullptr) {
      point("- or set 'monitor' in [server] to another address");
      return;
    }
    const std::uint16_t port = address_.ip->port;
    point(fmt::format(
        "- or keep it behind portshare: let it listen on {}:{} instead, say, and name that in 'servers' of a "
        "backend",
        address_.ip->address.is_v4() ? "127.0.0.1" : "[::1]", port < 8000 ? port + 8000 : port - 1000));
    std::string addresses;
    for (const PortOwner* each : owner.sockets) {
      if (each->socket.takes_both || each->socket.local.address.is_unspecified()) {
        point(
            "- or let it listen on its own addresses alone: it takes the port on every address of this host");
        return;
      }
      const std::string text = fmt::format("\"{}\"", each->socket.local.address.to_string());
      if (addresses.find(text) != std::string::npos) continue;
      addresses.append(addresses.empty() ? "" : ", ").append(text);
    }
    if (!address_.ip->address.is_unspecified()) return;
    point(
        fmt::format("- or leave it what it has: except = [{}] in [listener.{}]", addresses, listener_->name));
  }

  void advise_against_connection(const PortOwner& owner) {
    if (const std::string stop = stop_command(owner); !stop.empty()) point(fmt::format("- end it: {}", stop));
    const std::uint16_t port = address_.ip->port;
    if (ephemeral_ports().contains(port)) {
      point(fmt::format(
          "- so that outgoing connections leave the port alone: sysctl net.ipv4.ip_local_reserved_ports={}",
          port));
    }
  }

  void name_unix_owner() {
    const auto pid = find_unix_listener(address_.unix_path);
    if (!pid) return;
    PortOwner owner;
    owner.processes.push_back(read_process(*pid));
    owner.control_group = owner.processes.front().control_group;
    point(fmt::format("{} listens there", owner_text(owner)));
    point(fmt::format("- stop it: {}", stop_command(owner)));
    point(fmt::format("- or choose another path in '{}'", listener_ != nullptr ? "bind" : "monitor"));
  }

  void permission() {
    const std::uint16_t port = address_.ip->port;
    if (port >= first_unprivileged_port()) {
      point(
          "a security module (SELinux, AppArmor), or SocketBindAllow= of a systemd unit, forbids it: "
          "journalctl -k tells more");
      return;
    }
    point("- start it as root, and let it drop to another user: user = \"portshare\" in [server]");
    point("- or in a systemd unit: AmbientCapabilities=CAP_NET_BIND_SERVICE");
    point("- or give the capability to the program's file: setcap cap_net_bind_service=+ep FILE");
    point(fmt::format("- or let everybody have it: sysctl net.ipv4.ip_unprivileged_port_start={}", port));
  }

  void addresses() {
    const IpAddress& wanted = address_.ip->address;
    const auto present = list_interface_addresses();
    if (!present) return;
    std::string texts;
    std::size_t count = 0;
    for (const InterfaceAddress& each : *present) {
      if (each.address == wanted) {
        point(
            each.is_tentative
                ? "an interface has it, but cannot use it yet: duplicate address detection runs, or another "
                  "host has the address (ip -6 address shows 'tentative' or 'dadfailed')"
                : "it has come this moment: try again");
        return;
      }
      if (each.address.is_v4() != wanted.is_v4() || ++count > most_addresses) continue;
      texts.append(texts.empty() ? "" : ", ").append(each.address.to_string());
    }
    point(texts.empty() ? fmt::format("it has no address of {} at all", wanted.is_v4() ? "IPv4" : "IPv6")
                        : fmt::format("it has {}{}", texts, count > most_addresses ? " and more" : ""));
    point(fmt::format("- correct '{}', or give it the address: ip address add {}/{} dev INTERFACE",
                      listener_ != nullptr ? "bind" : "monitor", wanted.to_string(),
                      wanted.is_v4() ? 32 : 128));
    point(fmt::format(
        "- or, if the address comes later or moves between hosts: sysctl net.{}.ip_nonlocal_bind=1",
        wanted.is_v4() ? "ipv4" : "ipv6"));
  }

  const ListenerConfig* listener_;
  const SocketAddress& address_;
  std::string text_;
};

}  // namespace

std::string describe_bind_failure(const ListenerConfig& listener, const SocketAddress& address,
                                  const ListenError& error) {
  return Advice(&listener, address, error).take();
}

std::string describe_monitor_failure(const SocketAddress& address, const ListenError& error) {
  return Advice(nullptr, address, error).take();
}

}  // namespace portshare
