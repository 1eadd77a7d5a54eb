// The server's side of TLS over bytes in memory: no sockets, no waiting.
#pragma once

#include <openssl/types.h>

#include <expected>
#include <string>
#include <string_view>

#include "core/byte_view.h"
#include "dispatch/demo/openssl_handles.h"
#include "dispatch/demo/self_signed_certificate.h"

namespace portshare {

/// What all connections of a TLS server have in common: TLS 1.2 and 1.3, the certificate, "http/1.1" by ALPN
/// (RFC 7301; a client that offers only others gets the alert no_application_protocol).
class TlsServer {
 public:
  /// The error is a clause for the operator.
  static std::expected<TlsServer, std::string> make(const SelfSignedCertificate& certificate);

 private:
  friend class TlsStream;
  TlsContextHandle context_;
};

/// One connection.
class TlsStream {
 public:
  /// The server may go before the stream. Throws std::bad_alloc when memory is out.
  explicit TlsStream(const TlsServer& server);

  /// Takes bytes of the client. Appends what they say to `plain`, and what TLS itself has to answer to
  /// `to_send`. False: the stream is over, by the client's close_notify or by a fault (the alert is in
  /// `to_send`).
  [[nodiscard]] bool receive(ByteView bytes, std::string& plain, std::string& to_send);

  /// Appends `plain` as TLS records to `to_send`. Only once something was received in plain.
  void send(std::string_view plain, std::string& to_send);

  /// Appends the close_notify. Not after receive() answered false.
  void end(std::string& to_send);

 private:
  TlsHandle tls_;
  BIO* incoming_;  // these two belong to tls_
  BIO* outgoing_;
};

}  // namespace portshare
