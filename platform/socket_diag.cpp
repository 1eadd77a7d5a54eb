#include "platform/socket_diag.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>

#include "platform/netlink.h"

namespace portshare {
namespace {

// The states of the kernel (net/tcp_states.h), of which glibc has the first eleven. The last, since
// Linux 6.8, exists for this interface only.
enum KernelState : std::uint8_t {
  established = 1,
  time_wait = 6,
  closed = 7,
  listening = 10,
  new_syn_received = 12,
  bound_inactive = 13,
};
constexpr std::uint32_t every_state = 0xffff;
constexpr std::uint32_t bit(KernelState state) {
  return std::uint32_t{1} << state;
}

constexpr std::uint32_t protocol_mptcp = 262;   // IPPROTO_MPTCP, which does not fit the request's 8 bits
constexpr std::uint16_t request_protocol = 3;   // INET_DIAG_REQ_PROTOCOL, newer than some linux/inet_diag.h
constexpr std::uint16_t control_group_id = 21;  // INET_DIAG_CGROUP_ID

using Program = std::vector<inet_diag_bc_op>;

// A program of the filter language of inet_diag(7) which accepts the sockets of these ports: for each of them
// "at least, at most, go to the end". A socket is accepted at the very end, and refused 4 bytes behind it.
Program filter_for(std::span<const std::uint16_t> ports) {
  constexpr std::size_t operation = sizeof(inet_diag_bc_op);
  constexpr std::size_t operations_per_port = 5;
  Program program;
  program.reserve(ports.size() * operations_per_port);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const std::size_t left = (ports.size() - i) * operations_per_port * operation;
    const bool is_last = i + 1 == ports.size();
    // Where to go on if this port is not it; seen from the first and the second comparison.
    const std::size_t next = is_last ? left + 4 : operations_per_port * operation;
    const auto offset = [](std::size_t bytes) { return static_cast<std::uint16_t>(bytes); };
    program.push_back({INET_DIAG_BC_S_GE, 2 * operation, offset(next)});
    program.push_back({INET_DIAG_BC_NOP, operation, ports[i]});
    program.push_back({INET_DIAG_BC_S_LE, 2 * operation, offset(next - 2 * operation)});
    program.push_back({INET_DIAG_BC_NOP, operation, ports[i]});
    program.push_back({INET_DIAG_BC_JMP, operation, offset(left - 4 * operation)});
  }
  return program;
}

// Jumps have 16 bits, and the kernel checks a program in quadratic time.
constexpr std::size_t most_ports_at_a_time = 256;

IpEndpoint endpoint_of(std::uint8_t family, const __be32 (&words)[4], std::uint16_t port) {
  IpEndpoint endpoint{.address = {}, .port = ntohs(port)};
  if (family == AF_INET) {
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), words, octets.size());
    endpoint.address = IpAddress::v4(octets);
  } else {
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), words, octets.size());
    endpoint.address = IpAddress::v6(octets);
  }
  return endpoint;
}

LocalSocket::State state_of(Transport transport, std::uint8_t state) {
  if (transport == Transport::udp)
    return state == established ? LocalSocket::State::connected : LocalSocket::State::bound;
  switch (state) {
    case listening:
      return LocalSocket::State::listening;
    case closed:
    case bound_inactive:
      return LocalSocket::State::bound;
    case time_wait:
      return LocalSocket::State::time_wait;
    default:
      return LocalSocket::State::connected;
  }
}

std::optional<LocalSocket> read_socket(const NetlinkMessage& message, Transport transport) {
  if (message.type != SOCK_DIAG_BY_FAMILY && message.type != TCPDIAG_GETSOCK) return std::nullopt;
  const auto found = message.structure<inet_diag_msg>();
  if (!found) return std::nullopt;
  LocalSocket socket;
  socket.transport = transport;
  socket.state = state_of(transport, found->idiag_state);
  socket.is_ipv6 = found->idiag_family == AF_INET6;
  socket.local = endpoint_of(found->idiag_family, found->id.idiag_src, found->id.idiag_sport);
  socket.remote = endpoint_of(found->idiag_family, found->id.idiag_dst, found->id.idiag_dport);
  socket.interface = found->id.idiag_if;
  socket.inode = found->idiag_inode;
  socket.user = found->idiag_uid;
  socket.takes_both = socket.is_ipv6 && socket.local.address.is_unspecified();
  each_netlink_attribute(
      netlink_attributes(message, sizeof(inet_diag_msg)), [&](std::uint16_t type, NetlinkBytes value) {
        if (type == INET_DIAG_SKV6ONLY && netlink_number<std::uint8_t>(value).value_or(0)) {
          socket.takes_both = false;
        }
        if (type == control_group_id) {
          socket.control_group = netlink_number<std::uint64_t>(value).value_or(0);
        }
      });
  return socket;
}

struct Question {
  std::uint8_t family;  // AF_UNSPEC: both, for TCP
  Transport transport;
  std::uint32_t protocol;
  std::uint32_t states;
};

// With many connections the time goes into the walk along them, and only the older form of the request takes
// one walk for both families.
NetlinkRequest tcp_request(std::uint32_t states) {
  NetlinkRequest request(TCPDIAG_GETSOCK, NLM_F_DUMP);
  inet_diag_req fixed{};
  fixed.idiag_states = states;
  request.append(fixed);
  return request;
}

NetlinkRequest request_of(const Question& question) {
  if (question.family == AF_UNSPEC) return tcp_request(question.states);
  NetlinkRequest request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
  inet_diag_req_v2 fixed{};
  fixed.sdiag_family = question.family;
  fixed.sdiag_protocol = static_cast<std::uint8_t>(
      question.protocol == protocol_mptcp ? std::uint32_t{IPPROTO_TCP} : question.protocol);
  fixed.idiag_states = question.states;
  request.append(fixed);
  if (question.protocol == protocol_mptcp) {
    request.append_attribute(request_protocol, std::as_bytes(std::span(&question.protocol, 1)));
  }
  return request;
}

std::expected<void, int> ask(NetlinkSocket& netlink, const Question& question, const Program& filter,
                             std::vector<LocalSocket>& sockets) {
  NetlinkRequest request = request_of(question);
  request.append_attribute(INET_DIAG_REQ_BYTECODE, std::as_bytes(std::span(filter)));
  return netlink.list(request, [&](const NetlinkMessage& message) {
    if (auto socket = read_socket(message, question.transport)) sockets.push_back(*socket);
  });
}

// A listening MPTCP socket is listed twice: as what the application has, and as the TCP socket inside of it.
// Linux before 6.6 gives the inner one a number of its own, which no process has.
void merge_multipath(std::vector<LocalSocket>& sockets, std::span<const LocalSocket> multipath) {
  if (multipath.empty()) return;
  std::vector<LocalSocket*> nameless;
  for (LocalSocket& inner : sockets) {
    if (std::ranges::find(multipath, inner.inode, &LocalSocket::inode) == multipath.end()) {
      nameless.push_back(&inner);
    }
  }
  for (const LocalSocket& outer : multipath) {
    // Linux before 5.9 overlooks what was asked for, and lists TCP again.
    if (std::ranges::find(sockets, outer.inode, &LocalSocket::inode) != sockets.end()) continue;
    const auto inner = std::ranges::find_if(nameless, [&](const LocalSocket* each) {
      return each->state == outer.state && each->local == outer.local && each->is_ipv6 == outer.is_ipv6;
    });
    if (inner == nameless.end()) continue;
    (*inner)->inode = outer.inode;
    (*inner)->user = outer.user;
    nameless.erase(inner);
  }
}

}  // namespace

std::string_view to_string(Transport transport) {
  return transport == Transport::tcp ? "tcp" : "udp";
}

std::expected<std::vector<LocalSocket>, std::string> list_sockets(std::span<const std::uint16_t> ports,
                                                                  ListedSockets which) {
  const auto failure = [](int error) {
    std::string message =
        "the kernel does not list its sockets (NETLINK_SOCK_DIAG): " + std::generic_category().message(error);
    if (error == ENOENT) message += "; load its modules tcp_diag and udp_diag";
    return std::unexpected(std::move(message));
  };
  auto netlink = NetlinkSocket::open(NETLINK_SOCK_DIAG);
  if (!netlink) return failure(netlink.error());
  const bool all = which == ListedSockets::all;
  std::vector<Question> questions{
      {AF_UNSPEC, Transport::tcp, IPPROTO_TCP, all ? every_state : bit(listening)}};
  for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
    questions.push_back({family, Transport::tcp, protocol_mptcp, bit(listening)});
    if (all) questions.push_back({family, Transport::udp, IPPROTO_UDP, every_state});
  }
  std::vector<LocalSocket> sockets;
  std::vector<LocalSocket> multipath;
  for (; !ports.empty(); ports = ports.subspan(std::min(most_ports_at_a_time, ports.size()))) {
    const Program filter = filter_for(ports.first(std::min(most_ports_at_a_time, ports.size())));
    for (const Question& question : questions) {
      const bool is_multipath = question.protocol == protocol_mptcp;
      const auto answered = ask(*netlink, question, filter, is_multipath ? multipath : sockets);
      if (answered || is_multipath) continue;  // which not every kernel has
      // Nor has every kernel IPv6; a family without a module has no sockets either.
      if (answered.error() == ENOENT && question.family == AF_INET6) continue;
      return failure(answered.error());
    }
  }
  merge_multipath(sockets, multipath);
  return sockets;
}

bool addresses_overlap(const LocalSocket& one, const LocalSocket& other) {
  if (one.interface != 0 && other.interface != 0 && one.interface != other.interface) return false;
  if (one.takes_both || other.takes_both) return true;
  const IpAddress& first = one.local.address;
  const IpAddress& second = other.local.address;
  if (first.is_v4() != second.is_v4()) return false;
  return first == second || first.is_unspecified() || second.is_unspecified();
}

}  // namespace portshare
