// Reads one [listener.NAME].
#pragma once

#include <map>

#include "dispatch/config.h"
#include "dispatch/setting_reader.h"

namespace portshare {

/// Which addresses the listeners so far have bound, and the line of each: an address can be bound once.
using BoundAddresses = std::map<SocketAddress, FilePosition>;

[[nodiscard]] ListenerConfig read_listener(const NameIndex::Definition& definition,
                                           const SettingReader& settings, NameIndex& backends,
                                           BoundAddresses& bound);

}  // namespace portshare
