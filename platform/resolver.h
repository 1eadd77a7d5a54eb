// Names of hosts to addresses, by the system's own resolver.
#pragma once

#include <expected>
#include <map>
#include <string>
#include <vector>

#include "core/ip_address.h"

namespace portshare {

/// The addresses of `host`, a name or an address literal, in the system's order of preference (RFC 6724),
/// each once, at least one. Blocks, for seconds where the name servers do not answer: not for the thread of a
/// loop. IPv6 addresses are left out on a host that has no IPv6 itself (AI_ADDRCONFIG): connecting to them
/// could only fail. The error is a sentence without a full stop.
[[nodiscard]] std::expected<std::vector<IpAddress>, std::string> resolve_host(const std::string& host);

/// By the names that were asked for.
using HostAnswers = std::map<std::string, std::expected<std::vector<IpAddress>, std::string>>;

/// The same for many hosts at a time, on threads of their own that have ended when it returns: where name
/// servers do not answer, it takes about as long as one of them.
[[nodiscard]] HostAnswers resolve_hosts(const std::vector<std::string>& hosts);

}  // namespace portshare
