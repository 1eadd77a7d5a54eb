// What a server behind us is told before the client's own bytes.
#pragma once

#include <array>
#include <cstdint>

#include "core/byte_view.h"
#include "core/proxy_header.h"

namespace portshare {

/// A PROXY header on its way to a server. Lives from the route until a server has taken it: every server that
/// is tried gets the same one.
struct Announcement {
  std::array<std::uint8_t, max_written_proxy_header_length> space;
  ByteView header;  ///< in `space`
  ByteView unsent;  ///< the end of it
};

}  // namespace portshare
