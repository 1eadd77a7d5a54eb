// Recognises the client side of SOCKS 4, 4a and 5: the SOCKS 4 protocol memo by Ying-Da Lee, and RFC 1928,
// section 3.
#pragma once

#include "core/byte_view.h"
#include "core/verdict.h"

namespace portshare {

/// See Opener (core/openers.h). Version 4 is decided by the fixed part of the request, 8 bytes; version 5 by
/// the whole greeting, every method of which must be one that is assigned or private.
Verdict recognise_socks(ByteView bytes);

}  // namespace portshare
