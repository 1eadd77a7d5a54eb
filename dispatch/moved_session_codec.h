// A moved session as messages.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "core/byte_view.h"
#include "dispatch/moved_session.h"

namespace portshare {

/// All but the sockets and the bytes on their way, of which only the lengths are in it: CBOR (RFC 8949), so
/// that a version may know more members than the other one.
[[nodiscard]] std::vector<std::uint8_t> encode(const MovedSession& session);

struct DecodedSession {
  MovedSession session;           ///< without sockets and bytes
  std::uint64_t upstream_length;  ///< of the bytes that follow
  std::uint64_t downstream_length;
};
/// The error is a sentence.
[[nodiscard]] std::expected<DecodedSession, std::string> decode_session(ByteView bytes);

}  // namespace portshare
