// Finds out what the first bytes of a connection are and what name they ask for.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "core/byte_view.h"
#include "core/host_name.h"
#include "core/http_head.h"
#include "core/protocol.h"
#include "core/route_table.h"
#include "core/tls_hello.h"
#include "core/verdict.h"
#include "dispatch/config.h"
#include "dispatch/tls_flight.h"

namespace portshare {

/// The first flight of one connection: shows the bytes to the recognisers of the listener, in a fixed order,
/// and none decides while an earlier one still needs bytes. Keeps bytes only while the flight is incomplete.
/// Bounded by first_flight_limit.
class FirstFlight {
 public:
  enum class Progress : std::uint8_t {
    need_more,
    complete,   ///< protocol and name are known: route it
    malformed,  ///< refuse it in the language of protocol()
    too_large,  ///< over the limit; likewise
  };

  /// `listener` must outlive this object.
  explicit FirstFlight(const ListenerConfig& listener) : listener_(listener) {}

  /// `received` is what came since the last call. Until the flight is complete the bytes are copied if need
  /// be, so the caller's buffer is free again as soon as need_more is answered. After any other answer: not
  /// to be called again. Empty only if bytes were kept before.
  Progress read(ByteView received);

  /// Takes a copy of bytes that nobody looks at yet, because they may be something that comes before the
  /// first flight.
  void keep(ByteView received);

  /// Everything received so far: the bytes kept, or after an answer in the first call, the caller's own.
  [[nodiscard]] ByteView bytes() const { return bytes_; }
  /// bytes() lie in this object rather than in the buffer of the last call.
  [[nodiscard]] bool keeps_bytes() const { return !kept_.empty(); }

  /// Who claims the bytes, also while incomplete or malformed; `any` if nobody does.
  [[nodiscard]] Protocol protocol() const { return protocol_; }
  /// How far the ClientHello was understood; `none` unless protocol() is tls.
  [[nodiscard]] TlsFlight tls() const { return protocol_ == Protocol::tls ? tls_ : TlsFlight::none; }
  /// The head of a complete HTTP/1 request. Its views point into bytes().
  [[nodiscard]] const HttpHead& http_head() const { return http_head_; }
  /// Fills what the client said into `query`: protocol, name and ALPN. Views into this object and bytes().
  void describe(RouteQuery& query) const;

 private:
  Progress recognise();
  Progress finish(Protocol protocol, Verdict verdict, std::size_t announced_length);
  [[nodiscard]] Progress nobody_claims();

  const ListenerConfig& listener_;
  ByteView bytes_;
  std::vector<std::uint8_t> kept_;
  Protocol protocol_ = Protocol::any;
  bool may_be_tls_ = true;
  bool may_be_http_ = true;
  TlsHelloReader tls_reader_;
  HttpHeadReader http_reader_;
  HttpHead http_head_;
  TlsFlight tls_ = TlsFlight::none;
  bool has_name_ = false;
  HostName name_;
  ByteView alpn_;
};

}  // namespace portshare
