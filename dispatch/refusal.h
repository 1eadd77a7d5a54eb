// What a client is told, in its own language, when it gets no server.
#pragma once

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

}  // namespace portshare
