// Recognises the client side of PostgreSQL by its first message: PostgreSQL documentation, "Message Formats":
// SSLRequest, GSSENCRequest, CancelRequest, StartupMessage.
#pragma once

#include "core/byte_view.h"
#include "core/verdict.h"

namespace portshare {

/// See Opener (core/openers.h). Decided by length and code, 8 bytes. A client which starts TLS without asking
/// first (sslnegotiation=direct) is TLS.
Verdict recognise_postgresql(ByteView bytes);

}  // namespace portshare
