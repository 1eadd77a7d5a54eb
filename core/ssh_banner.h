// Recognises the client side of SSH by its identification string: RFC 4253, section 4.2.
#pragma once

#include "core/byte_view.h"
#include "core/verdict.h"

namespace portshare {

/// `bytes`: everything received so far, from the first byte. `recognised` as soon as "SSH-" is there: the
/// rest of the line (version and software) is the server's business. Only a server may send other lines
/// before its identification string, so a client's first byte already decides. Never `malformed`.
Verdict recognise_ssh(ByteView bytes);

}  // namespace portshare
