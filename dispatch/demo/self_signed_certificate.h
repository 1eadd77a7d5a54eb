// A certificate for the demo's TLS application, made when it starts.
#pragma once

#include <chrono>
#include <expected>
#include <span>
#include <string>

namespace portshare {

struct SelfSignedCertificate {
  std::string certificate_pem;
  std::string private_key_pem;  ///< not encrypted; never leaves the process
};

/// A server's certificate with a new ECDSA P-256 key (RFC 5280; RFC 5480), for these DNS names, at least one,
/// as subject alternative names. A client verifies it by trusting the certificate itself. Valid from an hour
/// ago, for clocks that differ, until `lifetime` from now. The error is a clause for the operator.
[[nodiscard]] std::expected<SelfSignedCertificate, std::string> make_self_signed_certificate(
    std::span<const std::string> names, std::chrono::seconds lifetime);

}  // namespace portshare
