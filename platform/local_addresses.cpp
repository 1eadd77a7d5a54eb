#include "platform/local_addresses.h"

#include <algorithm>
#include <fstream>

#include "platform/interface_address.h"

namespace portshare {
namespace {

std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> addresses;
  const auto found = list_interface_addresses();
  if (!found) return addresses;
  addresses.reserve(found->size());
  for (const InterfaceAddress& each : *found) addresses.push_back(each.address);
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
