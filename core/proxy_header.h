// Reads and writes the PROXY protocol, by which a proxy tells the next program whose connection this is:
// HAProxy's proxy-protocol.txt, versions 1 (section 2.1) and 2 (section 2.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/byte_view.h"
#include "core/ip_address.h"
#include "core/verdict.h"

namespace portshare {

/// A complete, legal header. The views point into the bytes given to read_proxy_header.
struct ProxyHeader {
  enum class Command : std::uint8_t {
    local,  ///< the proxy's own connection, a health check say: the connection's real addresses count
    proxy,  ///< relayed for somebody else
  };
  enum class Family : std::uint8_t {
    unspecified,  ///< UNKNOWN, UNSPEC, a datagram protocol, or LOCAL: the real addresses count
    ipv4,
    ipv6,
    unix_socket,  ///< the client came over a unix socket of the proxy: it has no address
  };

  Command command = Command::local;
  Family family = Family::unspecified;    ///< as the header says; v4-mapped addresses come under `ipv6`
  std::optional<IpEndpoint> source;       ///< the client; with `destination`, set for `ipv4` and `ipv6` alone
  std::optional<IpEndpoint> destination;  ///< where the client connected to
  std::string_view authority;             ///< of PP2_TYPE_AUTHORITY: the name the client asked for, unchecked
  ByteView alpn;                          ///< of PP2_TYPE_ALPN, as sent
  std::size_t length = 0;                 ///< bytes of the header; the client's own begin behind them
};

/// The longest header that the format allows: the fixed part, and what its length field can say.
inline constexpr std::size_t max_proxy_header_length = 16 + 65535;

/// `bytes`: everything received so far, from the first byte. Looks at the fixed part alone until the header
/// is complete, so no state is kept between calls, and reading byte by byte stays linear. Allocates nothing.
///
/// Claims the connection, that is, may answer `malformed`, from "PROXY " or from the whole signature of
/// version 2 on; bytes that cannot become either are `not_mine`. `malformed` are:
/// - in version 1, a line without CR LF in its first 107 bytes, CR or LF elsewhere, anything but single
///   spaces between the parts, an address of the other family, a number with a leading zero or out of range.
///   What follows UNKNOWN is ignored, as it has to be;
/// - in version 2, another version, command, family or transport, a length too small for the family, a
///   type-length-value vector which does not end with the header, a second authority, ALPN or CRC32C, a
///   CRC32C that is not right.
/// The block behind LOCAL is skipped without a look, as the format demands, and so is the one of a family or
/// transport which says nothing about a TCP connection.
Verdict read_proxy_header(ByteView bytes, ProxyHeader& header);

/// Whether the connection is claimed: read_proxy_header never answers `not_mine` to these bytes and what
/// follows.
bool begins_proxy_header(ByteView bytes);

/// The longest header of either version that is written, with the longest authority and ALPN.
inline constexpr std::size_t max_written_proxy_header_length = 16 + 36 + 2 * (3 + 255);
using ProxyHeaderBuffer = std::span<std::uint8_t, max_written_proxy_header_length>;

/// Writes a header of version 1 to the front of `out` and answers with the bytes written.
/// Two IPv4 addresses, which includes v4-mapped ones, go as TCP4; two of different families both as TCP6.
/// When one of them is not known, as behind a unix socket, the line is "PROXY UNKNOWN".
ByteView write_proxy_header_v1(const std::optional<IpEndpoint>& source,
                               const std::optional<IpEndpoint>& destination, ProxyHeaderBuffer out);

/// The same in version 2, with `authority` and `alpn` as type-length-value vectors where they are not empty;
/// each has at most 255 bytes. When an address is not known the header is LOCAL and has neither: that is
/// the one form without addresses which a receiver must accept, while it may refuse PROXY with UNSPEC.
///
/// `alpn` is the protocol in use. A program that does not terminate TLS knows it only where the client offers
/// a single one; where it offers several, nothing is better than a guess.
ByteView write_proxy_header_v2(const std::optional<IpEndpoint>& source,
                               const std::optional<IpEndpoint>& destination, std::string_view authority,
                               std::string_view alpn, ProxyHeaderBuffer out);

}  // namespace portshare
