// Reads one [listener.NAME].
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "dispatch/config.h"
#include "dispatch/setting_reader.h"

namespace portshare {

/// An address that a listener has bound, and where that stands.
struct BoundAddress {
  FilePosition position;
  std::vector<IpAddress> except;  ///< of a wildcard: what it leaves to others
};

/// Which addresses the listeners so far have bound, and which sockets of the service manager they use: both
/// can be had once.
struct BoundAddresses {
  std::map<SocketAddress, BoundAddress> addresses;
  std::map<std::string, FilePosition, std::less<>> passed_sockets;
};

[[nodiscard]] ListenerConfig read_listener(const NameIndex::Definition& definition,
                                           const SettingReader& settings, NameIndex& backends,
                                           BoundAddresses& bound);

}  // namespace portshare
