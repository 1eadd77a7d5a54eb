// Reads the ClientHello of a TLS connection: RFC 8446 (4.1.2, 5.1), RFC 5246 (7.4.1.2), RFC 6066 (3), RFC
// 7301 (3.1), RFC 9849 (5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
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
  /// There is an encrypted_client_hello extension of type outer (RFC 9849, section 5), so `server_name` is
  /// the outer name: it says who holds the key, and not which application is meant. A client without that key
  /// sends the same extension with random bytes (GREASE ECH, section 6.2), so that nobody can tell: its name
  /// is the real one. An extension of type inner is what a client-facing server passes on to the application
  /// behind it (section 7.1): the name beside it is the real one, too.
  bool has_encrypted_client_hello = false;
  std::uint16_t legacy_version = 0;
  std::size_t length = 0;  ///< bytes of the first flight up to the end of the hello's last record
};

/// One reader per connection. Incremental: bytes that were looked at once are not looked at again, so a hello
/// which arrives byte by byte costs linear work. Allocates only for a hello that is split over several TLS
/// records, and then in proportion to what has arrived, never to what a length field promises.
class TlsHelloReader {
 public:
  /// `bytes`: everything received so far, from the first byte; each call's bytes begin with those of the call
  /// before (they may lie somewhere else in memory). The answer depends on the bytes alone, not on how they
  /// were cut into calls, and an answer other than `need_more` is final.
  ///
  /// The byte 0x16 at the front claims the connection for TLS. An SSL 2 style hello is `malformed`, not
  /// `not_mine`. Every structural rule is checked: lengths, no trailing bytes, one handshake message of type
  /// client_hello at the front which ends where its record ends, no other content type and no empty record
  /// inside it, client_version 3.1 (TLS 1.0) or higher, the null compression method offered, no extension
  /// twice, one name in server_name that HostName::from_server_name accepts. What follows the hello's last
  /// record is not looked at.
  Verdict read(ByteView bytes, ClientHello& hello);

  /// How many bytes of the hello the declared lengths promise at least (from the front of the connection,
  /// record headers included); 0 as long as that is unknown. Lets a caller refuse a hello over its limit
  /// before all of it has arrived.
  [[nodiscard]] std::size_t announced_length() const;

 private:
  Verdict walk(ByteView bytes);
  Verdict read_record_header(ByteView bytes);
  bool read_message_header(ByteView bytes);
  [[nodiscard]] ByteView message(ByteView bytes) const;

  Verdict verdict_ = Verdict::need_more;
  std::size_t position_ = 0;               ///< in the bytes: what lies before it has been taken in
  std::size_t record_missing_ = 0;         ///< payload bytes of the current record behind position_
  std::size_t message_received_ = 0;       ///< bytes of the handshake message before position_
  std::size_t message_length_ = 0;         ///< with its header; 0: not known yet
  std::vector<std::uint8_t> reassembled_;  ///< the handshake message, once a second record has begun
};

}  // namespace portshare
