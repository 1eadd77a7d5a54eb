// Reads the head of an HTTP/1.0 or HTTP/1.1 request: RFC 9112 (2 to 6), RFC 9110 (5, 7.2).
#pragma once

#include <cstdint>
#include <string_view>

#include "core/byte_view.h"
#include "core/host_name.h"
#include "core/verdict.h"

namespace portshare {

/// A complete, legal request head. The views point into the bytes given to the last HttpHeadReader::read.
struct HttpHead {
  enum class Body : std::uint8_t { none, content_length, chunked };

  std::string_view method;
  std::string_view target;         ///< as sent
  std::uint8_t minor_version = 0;  ///< 0 or 1; HTTP/1.2 and above count as 1
  bool has_host = false;           ///< false: HTTP/1.0 without Host
  HostName host;                   ///< of the absolute form, of CONNECT's authority or of the Host field
  Body body = Body::none;
  std::uint64_t content_length = 0;
  bool keep_alive = false;  ///< the client wants to send a further request (RFC 9112, 9.3)
  bool upgrade = false;     ///< Upgrade with Connection: upgrade
  bool expects_continue = false;
  std::size_t length = 0;  ///< bytes up to and with the empty line (leading empty lines included)
};

/// One reader per request. Incremental: linear work for a head that arrives byte by byte. Allocates nothing.
class HttpHeadReader {
 public:
  /// `bytes`: everything received so far, from the first byte of the request; may hold more than the head.
  Verdict read(ByteView bytes, HttpHead& head);

 private:
  // (state: offsets only, because the caller's buffer may move between calls)
};

}  // namespace portshare
