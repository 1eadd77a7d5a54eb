// Sockets of connections to servers on this host, kept to be connected again.
#pragma once

#include <cstddef>
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
  /// So many wait at most: as many as connections end before others begin.
  static constexpr std::size_t most_spares = 64;

  SpareSockets() = default;
  SpareSockets(const SpareSockets&) = delete;
  SpareSockets& operator=(const SpareSockets&) = delete;
  ~SpareSockets();

  /// A TCP socket as it was after its TCP_NODELAY was set, or -1.
  [[nodiscard]] int take(bool is_v4);

  /// `socket` was connected within the call that began it, so its peer is on this host.
  void connected_at_once(Socket socket, bool is_v4);

  /// To be called instead of closing a socket whose peer's stream was read to its end. False: it is to be
  /// closed after all.
  [[nodiscard]] bool keep(Socket socket);

  /// To be called instead where a socket is closed in any case: its number may be another one's soon.
  void forget(Socket socket);

  /// Closes all that wait, so that their descriptors can be used.
  void clear();
  [[nodiscard]] bool empty() const { return spare_v4_.empty() && spare_v6_.empty(); }

 private:
  enum class Kind : unsigned char { other, local_v4, local_v6 };
  /// What is known of a socket, from now on nothing.
  [[nodiscard]] Kind take_kind(Socket socket);

  std::vector<Kind> kinds_;  // by descriptor, of connections that are open
  std::vector<int> spare_v4_;
  std::vector<int> spare_v6_;
};

}  // namespace portshare
