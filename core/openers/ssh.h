// Recognises the client side of SSH by its identification string: RFC 4253, section 4.2.
#pragma once

#include "core/byte_view.h"
#include "core/verdict.h"

namespace portshare {

/// See Opener (core/openers.h). Decided by "SSH-": the rest of the line (version and software) is the
/// server's business. Only a server may send other lines before its identification string, so a client's
/// first byte can already rule SSH out.
Verdict recognise_ssh(ByteView bytes);

}  // namespace portshare
