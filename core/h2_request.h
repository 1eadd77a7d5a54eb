// The rules for the header fields of an HTTP/2 request: RFC 9113, sections 8.2 and 8.3; RFC 8441.
#pragma once

#include <optional>
#include <string_view>

#include "core/host_name.h"
#include "core/hpack.h"

namespace portshare {

struct H2Request {
  std::string_view method;  ///< valid as long as the fields
  HostName authority;       ///< of :authority, or of the Host field where there is none
};

/// What a request asks for; empty: it is malformed. So are, with RFC 9113,
/// - a name with an upper-case letter or a byte that no token has, a value with NUL, CR or LF or with white
///   space at an end;
/// - a pseudo-header that is unknown, stands there twice, or behind a regular field;
/// - no :method, no :scheme or :path without CONNECT, either of them with a plain CONNECT;
/// - a field that belongs to a connection of HTTP/1 (Connection, Transfer-Encoding ...), TE other than
///   "trailers";
/// and, because it is what requests are routed by,
/// - neither :authority nor Host, an invalid one, two Hosts, or a Host that differs from :authority (ports
///   compare with the scheme's default).
std::optional<H2Request> judge_h2_request(const HeaderFields& fields);

/// The same rules for the fields behind a body, among which are no pseudo-headers.
bool are_legal_h2_trailers(const HeaderFields& fields);

}  // namespace portshare
