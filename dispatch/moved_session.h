// A relayed connection on its way to another process.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/ip_address.h"
#include "core/protocol.h"
#include "dispatch/tls_flight.h"
#include "platform/op.h"

namespace portshare {

class Session;

/// One direction: what was received and not sent yet, and whether the end of the stream has come and has been
/// passed on.
struct MovedDirection {
  std::vector<std::uint8_t> bytes;
  bool source_ended = false;
  bool ended = false;

  bool operator==(const MovedDirection&) const = default;
};

/// All that is known of the connection, with names in place of indices: the other process has a configuration
/// of its own. The sockets belong to whoever holds this.
struct MovedSession {
  Socket client = Socket::none;
  Socket server = Socket::none;
  MovedDirection upstream;
  MovedDirection downstream;

  std::string listener;
  std::string backend;
  std::string server_text;           ///< see Server::text
  bool is_between_requests = false;  ///< of HTTP/1; otherwise nobody looks at the bytes any more
  std::uint64_t requests_to_server = 0;

  // For the access log.
  bool is_record_open = true;
  std::string names;
  std::uint32_t name_length = 0;
  Protocol protocol = Protocol::any;
  bool knows_protocol = false;
  TlsFlight tls = TlsFlight::none;
  std::optional<IpEndpoint> source;
  std::optional<IpEndpoint> destination;
  std::uint32_t route_line = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::chrono::microseconds age{0};  ///< since the accept, or the beginning of the present request
  std::chrono::microseconds first_flight_time{-1};
  std::chrono::microseconds connect_time{-1};

  bool operator==(const MovedSession&) const = default;
};

/// Takes a session that is ready to go, on its worker's thread. It waits, and nothing happens on its sockets,
/// until Session::moved tells whether somebody has taken it.
using SessionMover = std::function<void(Session& session, MovedSession state)>;

}  // namespace portshare
