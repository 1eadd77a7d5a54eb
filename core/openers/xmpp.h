// Recognises the client side of XMPP by the header of its stream: RFC 6120, section 4.2.
#pragma once

#include "core/byte_view.h"
#include "core/verdict.h"

namespace portshare {

/// See Opener (core/openers.h). Decided by "<stream:stream", behind an XML declaration or without one. Other
/// documents may begin with a declaration too, so that alone does not decide.
Verdict recognise_xmpp(ByteView bytes);

}  // namespace portshare
