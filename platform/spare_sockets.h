// Sockets of connections to servers on this host, kept to be connected again.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "platform/op.h"

namespace portshare {

/// Making a socket and taking it down costs the kernel as much as two packets. Where the server is on this
/// host the connection is over, on both sides, within the call that ends it; its socket can then be set back
/// (connect to AF_UNSPEC) and serve the next connection. Measured: 3 of 46 µs per relayed connection.
///
/// Anywhere else the last packets are still on their way when we let go, and the kernel has to see to them.
/// One per worker; not thread-safe.
class SpareSockets {
 public:
  /// So many of a kind wait at most: as many as connections end before others begin.
  static constexpr std::size_t most_spares = 64;

  SpareSockets() = default;
  SpareSockets(const SpareSockets&) = delete;
  SpareSockets& operator=(const SpareSockets&) = delete;
  ~SpareSockets();

  /// What a socket was made for, and is good for again: its family, and whether TCP_DEFER_ACCEPT is set.
  struct Kind {
    bool is_v4 = true;
    bool speaks_first = false;
  };

  /// A TCP socket as it was after it was made and its options set, or -1.
  [[nodiscard]] int take(Kind kind);

  /// `socket` was connected within the call that began it, so its peer is on this host.
  void connected_at_once(Socket socket, Kind kind);

  /// To be called instead of closing a socket whose peer's stream was read to its end. False: it is to be
  /// closed after all.
  [[nodiscard]] bool keep(Socket socket);

  /// To be called instead where a socket is closed in any case: its number may be another one's soon.
  void forget(Socket socket);

  /// Closes all that wait, so that their descriptors can be used.
  void clear();
  [[nodiscard]] bool empty() const {
    return std::ranges::all_of(spares_, [](const auto& spares) { return spares.empty(); });
  }

 private:
  static constexpr std::uint8_t kind_count = 4;
  static constexpr std::uint8_t no_kind = kind_count;
  [[nodiscard]] static std::uint8_t number_of(Kind kind) {
    return static_cast<std::uint8_t>((kind.is_v4 ? 0 : 1) + (kind.speaks_first ? 2 : 0));
  }
  /// The number of its kind, or no_kind; what is known of it is forgotten.
  [[nodiscard]] std::uint8_t take_kind(Socket socket);

  std::vector<std::uint8_t> kinds_;  // by descriptor, of connections that are open
  std::array<std::vector<int>, kind_count> spares_;
};

}  // namespace portshare
