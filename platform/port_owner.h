// Who holds a port: its sockets, with the processes, users, services and containers that they belong to.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/ip_address.h"
#include "platform/control_group.h"
#include "platform/process_table.h"
#include "platform/socket_diag.h"

namespace portshare {

struct PortQuery {
  std::optional<IpAddress> address;  ///< none: every address
  std::uint16_t port = 0;

  /// Whether a socket would get, or be in the way of, what is sent to this address and port. The wildcard
  /// [::] asks for IPv6 alone, and 0.0.0.0 for IPv4.
  [[nodiscard]] bool covers(const LocalSocket& socket) const;
};

/// A socket, and whose it is.
struct PortOwner {
  LocalSocket socket;
  std::string interface;               ///< its name, if the socket is bound to one
  std::string network_namespace;       ///< empty: our own
  std::vector<ProcessInfo> processes;  ///< parents before their children
  /// No process was found, and there are some whose descriptors this user may not see. If it is false and
  /// there is no process either, then the kernel itself has the socket, or a process that is out of sight.
  bool process_is_hidden = false;
  std::string user;            ///< who opened the socket
  ControlGroup control_group;  ///< of the first process; of the socket, where that is all that can be seen
  std::optional<bool> shares_port;  ///< SO_REUSEPORT, where it can be seen
};

/// The connections that use a port besides its owners.
struct ConnectionCount {
  Transport transport = Transport::tcp;
  std::uint16_t port = 0;
  std::string network_namespace;  ///< empty: our own
  std::size_t open = 0;
  std::size_t in_time_wait = 0;
};

struct PortOwners {
  /// Listening sockets, then bound ones. Where a port has neither, some of its connections: they hold it,
  /// too.
  std::vector<PortOwner> owners;
  std::vector<ConnectionCount> connections;
  std::vector<std::string> missed_namespaces;  ///< other network namespaces that this user may not enter
};

enum class SearchedNamespaces : std::uint8_t { own, all };

/// Everything that holds one of these ports. Other network namespaces are searched as far as this user may
/// enter them. The error is a sentence without a full stop.
[[nodiscard]] std::expected<PortOwners, std::string> find_port_owners(std::span<const PortQuery> queries,
                                                                      SearchedNamespaces where);

/// Whose sockets of our own namespace these are.
[[nodiscard]] std::vector<PortOwner> identify(std::span<const LocalSocket> sockets);

}  // namespace portshare
