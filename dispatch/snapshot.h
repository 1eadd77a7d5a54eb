// What connections are served by, at one moment: configuration, servers, limits, listening sockets.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/socket_address.h"
#include "dispatch/admission.h"
#include "dispatch/config.h"
#include "dispatch/control/metric_ids.h"
#include "dispatch/server_pool.h"
#include "platform/op.h"

namespace portshare {

/// A socket that listens, and the listener of the configuration that it belongs to.
struct ListeningSocket {
  std::uint32_t listener;
  Socket socket;
  SocketAddress address = {};  ///< with the port that the system chose where the configuration says 0

  bool operator==(const ListeningSocket&) const = default;
};

/// Immutable, and shared by all threads. A reload or new addresses of a server make another one; a connection
/// is served to its end by the one with which it began, except that a further HTTP request is routed by the
/// newest. Parts that have not changed are shared with the one before.
struct Snapshot {
  std::uint32_t number = 0;  ///< grows by one with each
  std::shared_ptr<const Config> config;
  std::shared_ptr<const ServerPool> servers;
  std::shared_ptr<const Admission> admission;  ///< null: no listener has a limit
  std::shared_ptr<const MetricIds> metric_ids =
      nullptr;                           ///< of `config`; null: it is the only one there will be
  std::vector<ListeningSocket> sockets;  ///< borrowed: the dispatcher closes them
};

}  // namespace portshare
