// Reads one [listener.NAME].
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
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

  using Entry = std::map<SocketAddress, BoundAddress>::value_type;
  /// What takes connections to `address` already: itself, or a wildcard where one of the two is one.
  /// `except`: what `address` leaves to others, if it is a wildcard. Null: nothing.
  [[nodiscard]] const Entry* find_overlap(const SocketAddress& address,
                                          std::span<const IpAddress> except = {}) const;
};

/// Why `what`, an address in words under the key `key`, cannot be bound beside that.
[[nodiscard]] std::string describe_overlap(std::string_view key, std::string_view what,
                                           const SocketAddress& address,
                                           const BoundAddresses::Entry& earlier);

[[nodiscard]] ListenerConfig read_listener(const NameIndex::Definition& definition,
                                           const SettingReader& settings, NameIndex& backends,
                                           BoundAddresses& bound);

}  // namespace portshare
