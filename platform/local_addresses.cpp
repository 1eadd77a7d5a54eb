#include "platform/local_addresses.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "platform/address_translation.h"

namespace portshare {
namespace {

std::vector<IpAddress> interface_addresses() {
  ifaddrs* found = nullptr;
  if (::getifaddrs(&found) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(found, &::freeifaddrs);
  std::vector<IpAddress> addresses;
  for (const ifaddrs* entry = found; entry; entry = entry->ifa_next) {
    if (!entry->ifa_addr) continue;
    const bool is_v6 = entry->ifa_addr->sa_family == AF_INET6;
    if (!is_v6 && entry->ifa_addr->sa_family != AF_INET) continue;
    const auto endpoint = to_endpoint(*entry->ifa_addr, is_v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
    if (endpoint) addresses.push_back(endpoint->address);
  }
  return addresses;
}

}  // namespace

bool LocalAddresses::contains(const IpAddress& address) {
  if (address.is_loopback()) return true;
  if (!interfaces_) interfaces_ = interface_addresses();
  return std::ranges::find(*interfaces_, address) != interfaces_->end();
}

PortRange ephemeral_ports() {
  PortRange range{.first = 1, .last = 65535};
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  if (file >> first >> last) range = {.first = first, .last = last};
  return range;
}

std::uint16_t first_unprivileged_port() {
  std::ifstream file("/proc/sys/net/ipv4/ip_unprivileged_port_start");
  std::uint16_t first = 0;
  return file >> first ? first : 1024;
}

}  // namespace portshare
