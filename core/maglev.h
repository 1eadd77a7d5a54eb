// Which server a source belongs to: the consistent hash of Eisenbud et al., "Maglev: A Fast and Reliable
// Software Network Load Balancer" (NSDI 2016), section 3.4.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/ip_address.h"

namespace portshare {

/// A member of a table. Its name alone, and not its place in the list, decides which slots it gets.
struct MaglevServer {
  std::string_view name;     ///< unlike all others
  std::uint32_t weight = 1;  ///< not 0
};

/// A table with a prime number of slots, each with the index of a server. The same names and weights give the
/// same table on every machine, in whatever order they come. Immutable: threads may share it.
///
/// - Slots are shared evenly: without weights two servers differ by one slot at most.
/// - Of a table without one of its servers nearly all other slots stay as they are. Who knows that a server
/// is only away for
///   a while does better to keep the table and to try slot() with the next `attempt`: then nobody moves but
///   the sources of that server.
class MaglevTable {
 public:
  /// Prime, and more than 100 slots for each of 650 servers: the paper's condition for shares within 1 %.
  static constexpr std::uint32_t small_size = 65'537;
  static constexpr std::uint32_t big_size = 655'373;  ///< where there are more servers than that

  /// At least one server.
  explicit MaglevTable(std::span<const MaglevServer> servers);

  /// The index of the server to which `hash` belongs. The attempts of one hash lead to slots that have
  /// nothing to do with each other.
  [[nodiscard]] std::uint32_t slot(std::uint64_t hash, std::uint32_t attempt = 0) const;
  /// For tests and figures.
  [[nodiscard]] const std::vector<std::uint32_t>& slots() const { return slots_; }

 private:
  std::vector<std::uint32_t> slots_;
};

/// What slot() takes, of a client's address: of IPv6 the network of 64 bits, within which a client changes
/// its address (SourceTable::source_of). The same on every machine; no protection against sources which are
/// chosen to meet at one server.
[[nodiscard]] std::uint64_t hash_of_source(const IpAddress& source);

}  // namespace portshare
