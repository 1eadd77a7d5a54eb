// Reads one [listener.NAME].
#pragma once

#include <map>
#include <vector>

#include "dispatch/config.h"
#include "dispatch/setting_reader.h"

namespace portshare {

/// Which addresses the listeners so far have bound, and where they stand: an address can be bound once.
struct BoundAddress {
  FilePosition position;
  std::vector<IpAddress> except;  ///< of a wildcard: what it leaves to others
};
using BoundAddresses = std::map<SocketAddress, BoundAddress>;

[[nodiscard]] ListenerConfig read_listener(const NameIndex::Definition& definition,
                                           const SettingReader& settings, NameIndex& backends,
                                           BoundAddresses& bound);

}  // namespace portshare
