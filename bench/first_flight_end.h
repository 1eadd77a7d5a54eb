// Where a client's first bytes end, for a server that answers them without understanding them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/byte_view.h"

namespace portshare {

/// A TLS record (RFC 8446, 5.1) ends where its length says, an HTTP head at its empty line; anything else is
/// what comes first. For a load's own clients: it checks nothing.
class FirstFlightEnd {
 public:
  /// Takes what came next. True once the end has come; what follows it is not asked for.
  bool take(ByteView bytes);
  [[nodiscard]] bool is_http() const { return kind_ == Kind::http; }

 private:
  enum class Kind : std::uint8_t { unknown, tls, http, other };
  static constexpr std::size_t record_header_length = 5;

  bool take(std::uint8_t byte);

  Kind kind_ = Kind::unknown;
  std::size_t position_ = 0;
  std::size_t end_ = record_header_length;  // of the TLS record
  std::uint32_t last_four_ = 0;
};

}  // namespace portshare
