// How many connections each source has open, and how fast it opens new ones.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "core/ip_address.h"
#include "core/siphash.h"

namespace portshare {

/// So many events in a period, at a steady pace or at once.
struct Rate {
  std::uint32_t count = 0;  ///< 0: no limit
  std::chrono::milliseconds period{1'000};

  bool operator==(const Rate&) const = default;
};

/// What one source may do. Zeros are no limits.
struct SourceLimits {
  std::uint32_t max_open = 0;
  Rate new_connections = {};

  [[nodiscard]] bool any() const { return max_open != 0 || new_connections.count != 0; }
};

/// Counts connections by source. An IPv4 source is an address. An IPv6 source is a network of 64 bits,
/// because that is what one customer gets at least, and whoever has one can use 2^64 addresses of it.
///
/// The rate is a token bucket: it holds `count` tokens, a new connection takes one, and it fills up evenly
/// within `period`. A source that was quiet may open `count` connections at once; whoever is refused loses
/// nothing by it. (Kept as the time at which the bucket is full again: the generic cell rate algorithm.)
///
/// Bounded: a source with open connections is never forgotten, so there are at most as many of those as there
/// are connections. Of a source without any only the bucket is left; it is forgotten once the bucket is full
/// again, which changes nothing, and when there are more than `max_idle` of them, the one that has been
/// without a connection for the longest time, which gives it a full bucket again.
///
/// The clock is the caller's: any monotonic one. It may be a little behind that of an earlier call, as two
/// threads' clocks are. Not thread-safe.
class SourceTable {
 public:
  /// One source. Stays where it is as long as it has an open connection.
  struct Source {
    IpAddress address;
    std::chrono::nanoseconds full_at{0};  ///< when the bucket is full again
    std::uint32_t open = 0;
    Source* older = nullptr;  ///< of those without an open connection
    Source* newer = nullptr;
  };
  enum class Answer : std::uint8_t { admitted, too_many, too_fast };
  struct Admission {
    Answer answer;
    Source* source;  ///< for leave(); null if not admitted
  };

  SourceTable(const SourceLimits& limits, std::size_t max_idle, const SipKey& key)
      : limits_(limits), max_idle_(max_idle), sources_(0, Hash{key}) {}
  SourceTable(const SourceTable&) = delete;
  SourceTable& operator=(const SourceTable&) = delete;

  /// A connection from `address` has come.
  Admission admit(const IpAddress& address, std::chrono::microseconds now);
  /// It has ended.
  void leave(Source& source);

  /// From now on, for all sources; those over a new limit keep what they have.
  void change_limits(const SourceLimits& limits) { limits_ = limits; }

  /// The address that stands for a source: the network's for IPv6.
  [[nodiscard]] static IpAddress source_of(const IpAddress& address);

  [[nodiscard]] std::size_t size() const { return sources_.size(); }
  [[nodiscard]] std::size_t idle_count() const { return idle_count_; }

 private:
  struct Hash {
    SipKey key;
    std::size_t operator()(const IpAddress& address) const { return siphash(key, address.bytes()); }
  };

  void link_idle(Source& source);
  void unlink_idle(Source& source);
  void forget_oldest();
  [[nodiscard]] std::chrono::nanoseconds interval() const;

  SourceLimits limits_;
  const std::size_t max_idle_;
  std::unordered_map<IpAddress, Source, Hash> sources_;
  // The sources without a connection, in the order in which they lost the last one.
  Source* oldest_idle_ = nullptr;
  Source* newest_idle_ = nullptr;
  std::size_t idle_count_ = 0;
};

}  // namespace portshare
