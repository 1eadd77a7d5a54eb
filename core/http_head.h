// Reads the head of an HTTP/1.0 or HTTP/1.1 request: RFC 9112 (2 to 6), RFC 9110 (5, 7.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/byte_view.h"
#include "core/host_name.h"
#include "core/http_fields.h"
#include "core/verdict.h"

namespace portshare {

/// A complete, legal request head. The views point into the bytes given to the last HttpHeadReader::read.
struct HttpHead {
  enum class Body : std::uint8_t { none, content_length, chunked };

  std::string_view method;
  std::string_view target;         ///< as sent
  std::uint8_t minor_version = 0;  ///< 0 or 1; HTTP/1.2 and above count as 1
  bool has_host = false;           ///< false: HTTP/1.0 without Host
  HostName host;                   ///< of the absolute form, of CONNECT's authority or of the Host field
  Body body = Body::none;
  std::uint64_t content_length = 0;
  bool keep_alive = false;        ///< the client wants to send a further request (RFC 9112, 9.3)
  bool upgrade = false;           ///< Upgrade with Connection: upgrade, in HTTP/1.1 (RFC 9110, 7.8)
  bool upgrade_to_http2 = false;  ///< and "h2c" is among the protocols: requests would hide in the tunnel
  std::size_t http2_offer = 0;    ///< where the first field line with "h2c" begins, if so; ...
  std::size_t http2_offer_length = 0;  ///< ... and its length, with its end
  bool expects_continue = false;       ///< Expect: 100-continue, in HTTP/1.1 (RFC 9110, 10.1.1)
  std::size_t length = 0;              ///< bytes up to and with the empty line (leading empty lines included)
  std::size_t fields_end = 0;  ///< where the empty line begins: further field lines can be inserted here
};

/// One reader per request. Incremental: linear work for a head that arrives byte by byte. Allocates nothing.
///
/// As a recogniser it claims bytes, that is, may answer `malformed` about them, from a registered method and
/// its space on, or from " HTTP/" on behind any method; a line that ends before that is `not_mine`. On a
/// connection that has already carried a request, `not_mine` means that the next request is malformed.
///
/// Where RFC 9112 and RFC 9110 leave a choice, the strict side is taken, because two programs that read the
/// same bytes differently are what request smuggling is made of. `malformed` are:
/// - a line that does not end with CR LF; CR, NUL or another control character anywhere (field values may
///   have HTAB);
/// - more or less than one space between the parts of the request line, HTTP/0.9, a version other than 1.x;
/// - a target with a byte over 0x7e or a fragment; "*" without OPTIONS; CONNECT without host and port;
/// - a field line that is folded, has no name, a name that is no token, or space before the colon;
/// - a second Content-Length (equal ones too), one that is not all digits or passes 2^63-1;
/// - Transfer-Encoding with Content-Length, in HTTP/1.0, with an unknown coding, a parameter, an empty
///   element, or with "chunked" anywhere but once at the end; a body behind CONNECT;
/// - two Host fields, none in HTTP/1.1, an empty or invalid one, userinfo;
/// - a Host other than the authority of an absolute target or of CONNECT (ports compare with the scheme's
///   default; behind CONNECT the Host may leave the port out).
/// Bytes over 0x7f in field values are legal (obs-text), and so are up to two empty lines before the request
/// line. The preface of cleartext HTTP/2, "PRI * HTTP/2.0", is `malformed` as long as that protocol has no
/// recogniser of its own.
class HttpHeadReader {
 public:
  /// `bytes`: everything received so far, from the first byte of the request; may hold more than the head.
  /// Each call's bytes begin with those of the call before (they may lie somewhere else in memory). The
  /// answer depends on the bytes alone, not on how they were cut into calls, and an answer other than
  /// `need_more` is final. A fault is reported when its line is complete, or earlier.
  Verdict read(ByteView bytes, HttpHead& head);

 private:
  enum class Stage : std::uint8_t { leading_lines, method, target, version, unclaimed, fields, complete };

  /// Where a part of the head lies in the bytes.
  struct Part {
    std::size_t begin = 0;
    std::size_t length = 0;
    [[nodiscard]] std::string_view in(std::string_view text) const { return text.substr(begin, length); }
  };

  // These read on from scanned_; `recognised` says that the next stage may go on.
  Verdict advance(std::string_view text);
  Verdict read_stage(std::string_view text);
  Verdict skip_leading_lines(std::string_view text);
  Verdict read_method(std::string_view text);
  Verdict read_target(std::string_view text);
  Verdict read_version(std::string_view text);
  Verdict judge_unclaimed_line(std::string_view text);
  Verdict read_fields(std::string_view text);
  Verdict break_request_line();
  Verdict begin(Stage stage, std::size_t position);

  // These answer false when a rule is broken.
  bool take_target(std::string_view method, std::string_view target);
  bool take_target_authority(std::string_view authority);
  bool take_field(Part part, std::string_view line);
  bool take_host(std::string_view value);
  bool take_content_length(std::string_view value);
  bool take_transfer_encoding(std::string_view value);
  void take_upgrade(Part part, std::string_view value);
  void take_expect(std::string_view value);
  [[nodiscard]] bool is_consistent() const;
  void fill(std::string_view text, HttpHead& head) const;

  Verdict verdict_ = Verdict::need_more;
  Stage stage_ = Stage::leading_lines;
  std::size_t position_ = 0;  ///< where the part that is being read begins
  std::size_t scanned_ = 0;   ///< the bytes of that part before here are known to be inside it
  Part method_;
  Part target_;
  std::optional<std::uint16_t>
      default_port_;  ///< what a Host without a port means, behind a target with an authority
  std::uint64_t content_length_ = 0;
  std::uint8_t minor_version_ = 0;
  bool method_is_registered_ = false;
  bool target_has_authority_ = false;
  bool has_host_field_ = false;
  bool has_content_length_ = false;
  bool has_transfer_encoding_ = false;
  bool is_chunked_ = false;  ///< "chunked" is the last coding so far
  bool has_upgrade_ = false;
  bool is_connect_ = false;
  std::optional<Part> http2_offer_;
  bool expects_continue_ = false;
  http::ConnectionOptions connection_;
  HostName host_;
};

}  // namespace portshare
