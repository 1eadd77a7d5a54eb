// How the fuzz target for response heads and its seeds write down what was asked: as one byte.
#pragma once

#include <cstdint>

#include "core/http_response_head.h"

namespace portshare::test {

inline HttpResponseContext response_context_of(std::uint8_t byte) {
  return {.to_head = (byte & 1) != 0, .to_connect = (byte & 2) != 0, .to_upgrade = (byte & 4) != 0};
}

inline std::uint8_t byte_of(const HttpResponseContext& context) {
  return static_cast<std::uint8_t>((context.to_head ? 1 : 0) | (context.to_connect ? 2 : 0) |
                                   (context.to_upgrade ? 4 : 0));
}

}  // namespace portshare::test
