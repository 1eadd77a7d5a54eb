// What a client is told, in its own language, when it gets no server.
#pragma once

#include <cstdint>
#include <vector>

#include "core/byte_view.h"
#include "core/protocol.h"
#include "dispatch/outcome.h"

namespace portshare {

struct Refusal {
  ByteView answer;     ///< static storage; may be empty
  bool reset = false;  ///< end with a reset instead of an orderly close; only without an answer
};

/// The table "What a client sees". `outcome` is one of those that end a connection before a server has it;
/// `protocol` is what the first bytes are, or claim to be.
Refusal refusal_for(Protocol protocol, Outcome outcome);

/// The same for a client that speaks HTTP/2: what a server begins with, the status on `stream`, that of the
/// first request, if that has begun (0: it has not), and the end of the connection.
std::vector<std::uint8_t> http2_refusal_for(Outcome outcome, std::uint32_t stream);
/// The end of a connection on which requests up to `last_stream` have gone to a server.
std::vector<std::uint8_t> http2_goodbye_for(Outcome outcome, std::uint32_t last_stream);
/// The end is near: those requests that are under way go on, others belong on another connection (RFC 9113,
/// section 6.8).
std::vector<std::uint8_t> http2_shutdown_notice();

/// What a server of HTTP/2 begins with, when it has no wishes (RFC 9113, section 3.4).
ByteView http2_settings();

}  // namespace portshare
