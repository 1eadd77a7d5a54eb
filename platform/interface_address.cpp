#include "platform/interface_address.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <system_error>
#include <utility>

namespace portshare {
namespace {

std::optional<IpAddress> read_address(std::uint8_t family, NetlinkBytes value) {
  std::array<std::uint8_t, 4> v4{};
  std::array<std::uint8_t, 16> v6{};
  if (family == AF_INET && value.size() == v4.size()) {
    std::memcpy(v4.data(), value.data(), v4.size());
    return IpAddress::v4(v4);
  }
  if (family == AF_INET6 && value.size() == v6.size()) {
    std::memcpy(v6.data(), value.data(), v6.size());
    return IpAddress::v6(v6);
  }
  return std::nullopt;
}

}  // namespace

bool is_link_local(const IpAddress& address) {
  return !address.is_v4() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0U) == 0x80U;
}

std::optional<InterfaceAddress> read_interface_address(const NetlinkMessage& message) {
  if (message.type != RTM_NEWADDR && message.type != RTM_DELADDR) return std::nullopt;
  const auto fixed = message.structure<ifaddrmsg>();
  if (!fixed) return std::nullopt;
  std::optional<IpAddress> local;
  std::optional<IpAddress> address;
  std::uint32_t flags = fixed->ifa_flags;
  each_netlink_attribute(netlink_attributes(message, sizeof(ifaddrmsg)),
                         [&](std::uint16_t type, NetlinkBytes value) {
                           if (type == IFA_LOCAL) local = read_address(fixed->ifa_family, value);
                           if (type == IFA_ADDRESS) address = read_address(fixed->ifa_family, value);
                           // The field has 8 bits only, and some flags are above them.
                           if (type == IFA_FLAGS)
                             flags = netlink_number<std::uint32_t>(value).value_or(flags);
                         });
  // On a point-to-point link IFA_ADDRESS is the other end's.
  if (!local) local = address;
  if (!local) return std::nullopt;
  // An optimistic address (RFC 4429) can be used while detection runs.
  const bool is_unchecked = (flags & IFA_F_TENTATIVE) != 0 && (flags & IFA_F_OPTIMISTIC) == 0;
  return InterfaceAddress{.address = *local,
                          .interface = fixed->ifa_index,
                          .is_tentative = is_unchecked || (flags & IFA_F_DADFAILED) != 0};
}

std::expected<std::vector<InterfaceAddress>, std::string> list_interface_addresses() {
  const auto failure = [](int error) {
    return std::unexpected("the kernel does not list this host's addresses (NETLINK_ROUTE): " +
                           std::generic_category().message(error));
  };
  auto netlink = NetlinkSocket::open(NETLINK_ROUTE);
  if (!netlink) return failure(netlink.error());
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP);
  request.append(ifaddrmsg{});
  std::vector<InterfaceAddress> addresses;
  const auto listed = netlink->list(request, [&](const NetlinkMessage& message) {
    if (auto address = read_interface_address(message)) addresses.push_back(*address);
  });
  if (!listed) return failure(listed.error());
  return addresses;
}

}  // namespace portshare
