// Where a load goes and what it sends, as the command line writes it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "core/socket_address.h"

namespace portshare {

/// "ADDRESS:PORT", "[IPV6]:PORT", "NAME:PORT", which is resolved, or "unix:/path". The error is a sentence.
[[nodiscard]] std::expected<SocketAddress, std::string> parse_target(std::string_view text);

/// "hex:0a0b", "@FILE", or text with the escapes \r \n \t \\ \xHH. The error is a sentence.
[[nodiscard]] std::expected<std::vector<std::uint8_t>, std::string> parse_raw_bytes(std::string_view text);

}  // namespace portshare
