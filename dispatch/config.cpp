#include "dispatch/config.h"

#include <algorithm>

namespace portshare {

bool ListenerConfig::admits(const IpAddress& source) const {
  const auto covers = [&](const IpPrefix& prefix) { return prefix.contains(source); };
  if (std::ranges::any_of(deny, covers)) return false;
  return allow.empty() || std::ranges::any_of(allow, covers);
}

}  // namespace portshare
