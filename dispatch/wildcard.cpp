#include "dispatch/wildcard.h"

#include <algorithm>

namespace portshare {

std::vector<WantedAddress> wanted_addresses(const ListenerConfig& listener,
                                            std::span<const InterfaceAddress> local) {
  std::vector<WantedAddress> wanted;
  for (const SocketAddress& address : listener.bind) {
    if (!listener.expands(address)) {
      wanted.push_back({.address = address});
      continue;
    }
    for (const InterfaceAddress& each : local) {
      if (each.address.is_v4() != address.ip->address.is_v4()) continue;
      if (each.is_tentative || listener.excepts(each.address)) continue;
      WantedAddress next{.address = {.ip = IpEndpoint{.address = each.address, .port = address.ip->port},
                                     .unix_path = {},
                                     .interface = is_link_local(each.address) ? each.interface : 0},
                         .is_of_wildcard = true};
      // Two interfaces may have the same one.
      if (std::ranges::find(wanted, next) == wanted.end()) wanted.push_back(std::move(next));
    }
  }
  return wanted;
}

}  // namespace portshare
