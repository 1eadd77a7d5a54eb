// Finds out whether somebody speaks TLS: a ClientHello, and what is to be expected as an answer. RFC 8446
// (4.1.2, 4.1.3, 5.1, 6), RFC 5246 (7.4.1), RFC 6066 (3).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/byte_view.h"
#include "core/random.h"

namespace portshare {

/// A hello that any server of TLS 1.2 or 1.3 can answer. It has no key share: a server of TLS 1.3 asks for
/// one, and that is answer enough; the probe never goes further. `server_name` is an ASCII host name of at
/// most 255 bytes; empty: the hello names nobody.
[[nodiscard]] std::vector<std::uint8_t> write_probe_hello(std::string_view server_name, Random& random);

struct TlsProbeAnswer {
  enum class Kind : std::uint8_t {
    need_more,
    server_hello,  ///< also one that asks for another hello
    alert,         ///< `alert` says which
    not_tls,
  };
  Kind kind = Kind::need_more;
  std::uint8_t alert = 0;  ///< AlertDescription

  bool operator==(const TlsProbeAnswer&) const = default;
};

/// `bytes`: all that the server has sent so far.
[[nodiscard]] TlsProbeAnswer read_probe_answer(ByteView bytes);

}  // namespace portshare
