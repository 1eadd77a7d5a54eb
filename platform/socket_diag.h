// The sockets of this host that have certain local ports, as the kernel lists them (sock_diag(7)).
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "core/ip_address.h"

namespace portshare {

enum class Transport : std::uint8_t { tcp, udp };
[[nodiscard]] std::string_view to_string(Transport transport);  ///< "tcp", "udp"

struct LocalSocket {
  enum class State : std::uint8_t {
    listening,  ///< TCP: takes connections
    bound,      ///< TCP: has the port, and does not listen; UDP: takes datagrams from everybody
    connected,  ///< to `remote`, or on the way there or to the end
    time_wait,  ///< TCP: what the kernel keeps of a connection that has ended
  };
  Transport transport = Transport::tcp;
  State state = State::listening;
  IpEndpoint local;
  IpEndpoint remote;
  bool is_ipv6 = false;         ///< of the socket: one of IPv6 may have an IPv4 address
  bool takes_both = false;      ///< on [::], and IPv4 as well (IPV6_V6ONLY is off)
  std::uint32_t interface = 0;  ///< it is bound to that one (SO_BINDTODEVICE, or a link-local scope); 0: none
  std::uint64_t inode = 0;      ///< 0: no process has it
  std::uint32_t user = 0;       ///< uid of who opened it
  std::uint64_t control_group = 0;  ///< inode number of its directory in cgroup v2; 0: not known
};

enum class ListedSockets : std::uint8_t {
  listening,  ///< TCP, which costs nothing however many connections there are
  all,        ///< TCP and UDP, in every state
};

/// The sockets in the present thread's network namespace whose local port is one of `ports`. The kernel
/// filters them, so that others cost next to nothing. Any user may ask. Linux before 6.8 does not list TCP
/// sockets that are bound and do not listen.
/// The error is a sentence without a full stop.
[[nodiscard]] std::expected<std::vector<LocalSocket>, std::string> list_sockets(
    std::span<const std::uint16_t> ports, ListedSockets which);

/// Whether two sockets would take connections or datagrams to the same address, or one of them does to all of
/// the other's. Ports and transports are not looked at.
[[nodiscard]] bool addresses_overlap(const LocalSocket& one, const LocalSocket& other);

}  // namespace portshare
