// What became of a ClientHello: the words of the access log's field `tls`.
#pragma once

#include <cstdint>
#include <string_view>

namespace portshare {

enum class TlsFlight : std::uint8_t {
  none,    ///< not TLS, as far as anybody knows
  sni,     ///< names a server
  no_sni,  ///< whole and legal, and names none
  ech,     ///< with an encrypted ClientHello, or GREASE in its place: a name is the outer one
  malformed,
  incomplete,  ///< ended, ran out of time, or went over the limit before its end was there
};

/// Empty for `none`.
constexpr std::string_view to_string(TlsFlight flight) {
  switch (flight) {
    case TlsFlight::none:
      return {};
    case TlsFlight::sni:
      return "sni";
    case TlsFlight::no_sni:
      return "no_sni";
    case TlsFlight::ech:
      return "ech";
    case TlsFlight::malformed:
      return "malformed";
    case TlsFlight::incomplete:
      return "incomplete";
  }
  return {};
}

}  // namespace portshare
