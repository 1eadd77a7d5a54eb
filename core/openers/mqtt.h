// Recognises the client side of MQTT 3.1, 3.1.1 and 5 by its CONNECT packet: MQTT 5.0, sections 2.1 and 3.1
// (OASIS), and MQTT V3.1, section 3.1.
#pragma once

#include "core/byte_view.h"
#include "core/verdict.h"

namespace portshare {

/// See Opener (core/openers.h). Decided by the protocol name and its level.
Verdict recognise_mqtt(ByteView bytes);

}  // namespace portshare
