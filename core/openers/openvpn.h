// Recognises the client side of OpenVPN over TCP by its first packet, P_CONTROL_HARD_RESET_CLIENT_V2 or _V3:
// the OpenVPN wire protocol (draft-openvpn-wire-protocol), sections on TCP framing and control packets.
#pragma once

#include "core/byte_view.h"
#include "core/verdict.h"

namespace portshare {

/// See Opener (core/openers.h). V2 is decided by length and opcode, 3 bytes: its packet has 14 bytes, and
/// between 38 and 86 with tls-auth or tls-crypt. V3 carries a wrapped key of the client (tls-crypt-v2), so
/// its length tells less, and the packet id, 15 bytes from the start, decides.
Verdict recognise_openvpn(ByteView bytes);

}  // namespace portshare
