// The connections of a running program, as the admin socket lists and ends them.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/ip_address.h"
#include "core/protocol.h"

namespace portshare {

/// The words for what a connection is at.
inline constexpr std::array<std::string_view, 6> connection_states{"first_flight", "connecting", "waiting",
                                                                   "relaying",     "idle",       "ending"};

/// One connection, by views into what its worker has: for the time of a look, on the worker's thread.
struct ConnectionView {
  std::uint32_t worker = 0;
  std::uint64_t number = 0;  ///< among those of its worker, never used twice
  std::string_view listener;
  std::string_view backend;  ///< empty: none yet
  std::string_view server;
  std::string_view name;
  std::string_view protocol;  ///< empty: not known yet
  std::string_view state;     ///< one of connection_states
  std::optional<IpEndpoint> client;
  std::optional<IpEndpoint> destination;
  std::chrono::microseconds age{0};   ///< since the accept
  std::chrono::microseconds idle{0};  ///< since bytes went in either direction
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

/// A copy that may leave the thread.
struct ConnectionInfo {
  std::string id;  ///< "WORKER-NUMBER"
  std::string listener;
  std::string backend;
  std::string server;
  std::string name;
  std::string protocol;
  std::string state;
  std::optional<IpEndpoint> client;
  std::optional<IpEndpoint> destination;
  std::chrono::microseconds age{0};
  std::chrono::microseconds idle{0};
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;

  static ConnectionInfo of(const ConnectionView& view);
};

/// Which connections; all that is given must match.
struct ConnectionFilter {
  static constexpr std::size_t default_limit = 100;
  static constexpr std::size_t highest_limit = 10'000;

  std::optional<std::string> id;
  std::optional<std::string> listener;
  std::optional<std::string> backend;
  std::optional<std::string> server;
  std::optional<std::string> name;  ///< "example.com", or "*.example.com" for all below it; lower-cased
  std::optional<std::string> state;
  std::optional<IpPrefix> client;
  bool all = false;                   ///< said in so many words: there is no other filter on purpose
  std::size_t limit = default_limit;  ///< of a list; all that match are ended

  /// From the parameters of a request: the names of the fields. The error is a sentence.
  static std::expected<ConnectionFilter, std::string> parse(
      const std::vector<std::pair<std::string, std::string>>& parameters);
  [[nodiscard]] bool matches(const ConnectionView& connection) const;
  /// It says which connections, and be it all of them.
  [[nodiscard]] bool is_deliberate() const {
    return all || id || listener || backend || server || name || state || client;
  }
};

struct ConnectionList {
  std::size_t matching = 0;
  std::vector<ConnectionInfo> connections;  ///< at most the limit of the filter, the oldest first
};

}  // namespace portshare
