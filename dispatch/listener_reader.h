// Reads one [listener.NAME].
#pragma once

#include <functional>
#include <map>
#include <string>

#include "dispatch/config.h"
#include "dispatch/setting_reader.h"

namespace portshare {

/// Which addresses the listeners so far have bound, and which sockets of the service manager they use, and
/// the line of each: both can be had once.
struct BoundAddresses {
  std::map<SocketAddress, FilePosition> addresses;
  std::map<std::string, FilePosition, std::less<>> passed_sockets;
};

[[nodiscard]] ListenerConfig read_listener(const NameIndex::Definition& definition,
                                           const SettingReader& settings, NameIndex& backends,
                                           BoundAddresses& bound);

}  // namespace portshare
