#include "dispatch/config.h"

#include <algorithm>

namespace portshare {

std::string SocketAddress::to_string() const {
  return ip ? ip->to_string() : "unix:" + unix_path;
}

bool ListenerConfig::admits(const IpAddress& source) const {
  const auto covers = [&](const IpPrefix& prefix) { return prefix.contains(source); };
  if (std::ranges::any_of(deny, covers)) return false;
  return allow.empty() || std::ranges::any_of(allow, covers);
}

}  // namespace portshare
