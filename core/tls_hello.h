// Reads the ClientHello of a TLS connection: RFC 8446 (4.1.2, 5.1), RFC 5246 (7.4.1.2), RFC 6066 (3), RFC
// 7301 (3.1).
#pragma once

#include <cstdint>
#include <vector>

#include "core/byte_view.h"
#include "core/verdict.h"

namespace portshare {

/// What routing needs of a ClientHello. The views point into the bytes given to the last
/// TlsHelloReader::read, or into the reader itself when the hello was split over records: valid until either
/// changes.
struct ClientHello {
  std::string_view server_name;  ///< as sent; empty: the client named no server
  ByteView alpn;                 ///< ProtocolNameList, entries with a length byte each; empty: none offered
  bool has_encrypted_client_hello = false;  ///< `server_name` is then the outer name (extension 0xfe0d)
  std::uint16_t legacy_version = 0;
  std::size_t length = 0;  ///< bytes of the first flight up to the end of the hello's last record
};

/// One reader per connection. Incremental: bytes that were looked at once are not looked at again, so a hello
/// which arrives byte by byte costs linear work. Allocates only for a hello that is split over several TLS
/// records.
class TlsHelloReader {
 public:
  /// `bytes`: everything received so far, from the first byte; each call's bytes begin with those of the call
  /// before. An SSL 2 style hello is `malformed`, not `not_mine`. Every structural rule is checked: lengths,
  /// no trailing bytes, one handshake message of type client_hello at the front, no other content type and no
  /// empty record inside it, one server_name and one ALPN extension at most, one name in it that
  /// HostName::from_server_name accepts.
  Verdict read(ByteView bytes, ClientHello& hello);

  /// How many bytes of the hello the declared lengths promise at least; 0 as long as that is unknown. Lets a
  /// caller refuse a hello over its limit before all of it has arrived.
  [[nodiscard]] std::size_t announced_length() const;

 private:
  // (state: where the next record header is, how much of the handshake message is known, reassembly buffer)
};

}  // namespace portshare
