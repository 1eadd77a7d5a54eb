// The field lines which tell an HTTP server who its client is: RFC 7239 and its older X-Forwarded- kin.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "core/hpack.h"
#include "core/ip_address.h"

namespace portshare {

inline constexpr std::size_t max_forwarded_length = 192;

/// Writes complete lines, to be inserted at HttpHead::fields_end, and returns the part of `out` that they
/// fill:
///
///     X-Forwarded-For: 2001:db8::1
///     X-Forwarded-Proto: http
///     Forwarded: for="[2001:db8::1]";proto=http
///
/// No address: the client has none, since it came over a unix socket. It is "unknown" then (RFC 7239, 6.2),
/// and X-Forwarded-For, which has no such word, is left out.
///
/// Fields of these names that the client sent stay in front of ours. Together they are one list, in which
/// only the last element, ours, is known to be true. There is no host= and no X-Forwarded-Host: the Host
/// field passes unchanged and says the same. The scheme is always http, since what arrives in TLS is never
/// opened.
std::string_view write_forwarded(const std::optional<IpAddress>& client,
                                 std::span<char, max_forwarded_length> out);

/// The same fields for a request of HTTP/2.
HeaderFields forwarded_fields(const std::optional<IpAddress>& client);

}  // namespace portshare
