// One line of the access log before it is text.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/ip_address.h"
#include "core/protocol.h"
#include "dispatch/config.h"
#include "dispatch/outcome.h"
#include "dispatch/server_pool.h"
#include "dispatch/tls_flight.h"

namespace portshare {

/// Plain values, so that a record is copied through the log's ring byte by byte; `name` and `alpn` travel
/// behind it.
struct AccessRecord {
  static constexpr std::uint32_t none = UINT32_MAX;

  std::chrono::system_clock::time_point time;  ///< of the accept
  std::uint32_t snapshot = 0;                  ///< its number; what all indices here refer to
  std::uint32_t listener = 0;                  ///< index
  bool has_client = false;                     ///< false on a unix socket, and if it reset at once
  bool has_destination = false;
  IpEndpoint client;
  IpEndpoint destination;
  Protocol protocol = Protocol::any;
  bool knows_protocol = false;
  TlsFlight tls = TlsFlight::none;
  Outcome outcome = Outcome::ok;
  std::uint32_t route_line = none;  ///< in the file
  std::uint32_t backend = none;     ///< index
  std::uint32_t server = none;      ///< index in the backend's servers
  std::uint64_t bytes_in = 0;       ///< received from the client
  std::uint64_t bytes_out = 0;      ///< sent to the client
  std::chrono::microseconds first_flight{
      -1};                                ///< from the accept to the complete first flight; negative: never
  std::chrono::microseconds connect{-1};  ///< from the decision to the connected server; negative: never
  std::chrono::microseconds duration{0};
};

/// A line with its newline. `alpn` is the ClientHello's list, already joined by commas.
void format_access_line(const Config& config, const ServerPool& servers, const AccessRecord& record,
                        std::string_view name, std::string_view alpn, std::string& out);

}  // namespace portshare
