// Recognises the client side of the Remote Desktop Protocol by its X.224 Connection Request: MS-RDPBCGR,
// section 2.2.1.1, in a TPKT header (RFC 1006, section 6; ITU-T X.224, section 13.3).
#pragma once

#include "core/byte_view.h"
#include "core/verdict.h"

namespace portshare {

/// See Opener (core/openers.h). Decided by the fixed part of the request, 11 bytes, and one more where there
/// is one: programs that control machines (S7) open with the same request, but with parameters behind it that
/// RDP does not have.
Verdict recognise_rdp(ByteView bytes);

}  // namespace portshare
