// Host names as the file has them, brought into the form in which names are compared (core/host_name.h).
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "core/host_name.h"
#include "core/route_table.h"

namespace portshare {

/// A host name in any script, with or without port and trailing dot. Names with other than ASCII characters
/// become A-labels (IDNA 2008 with the mapping of UTS 46, non-transitional). `source` says where the name
/// will be looked for: `sni` takes an IPv6 address without brackets, as HostName does. The error is a
/// sentence that names `text`.
[[nodiscard]] std::expected<HostName, std::string> parse_host_name(std::string_view text, NameSource source);

/// An element of `name`, `sni` or `host`: an exact name, "*.example.com", or "~regex".
[[nodiscard]] std::expected<NameMatcher, std::string> parse_name_matcher(std::string_view text,
                                                                         NameSource source);

}  // namespace portshare
