// Reads the head of an HTTP/1.0 or HTTP/1.1 response: RFC 9112 (2, 4 to 6, 9.3), RFC 9110 (7.8, 9.3.6, 15).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/byte_view.h"
#include "core/http_fields.h"
#include "core/verdict.h"

namespace portshare {

struct HttpHead;

/// What of a request decides how its response is read. It outlives the request's bytes.
struct HttpResponseContext {
  bool to_head = false;     ///< the method was HEAD
  bool to_connect = false;  ///< the method was CONNECT
  bool to_upgrade = false;  ///< the request asked for an upgrade, so that 101 is an answer to it

  static HttpResponseContext of(const HttpHead& request);
};

/// A complete head whose body's end is certain. Holds no views.
struct HttpResponseHead {
  enum class Body : std::uint8_t {
    none,
    content_length,
    chunked,
    until_close,
    tunnel,  ///< 101, or 2xx to CONNECT: from here on both directions carry another protocol
  };

  unsigned status = 0;             ///< 100 to 999
  std::uint8_t minor_version = 0;  ///< 0 or 1; HTTP/1.2 and above count as 1
  bool is_interim = false;         ///< 1xx, but not 101: a further response to the same request follows
  Body body = Body::none;
  std::uint64_t content_length = 0;  ///< of Body::content_length
  /// The connection can carry a further response behind this one, that is, a final one. If not, then not the
  /// client's connection either: the client reads the same head, and what it says about the end.
  bool keep_alive = false;
  std::size_t length = 0;  ///< bytes up to and with the empty line

  bool operator==(const HttpResponseHead&) const = default;
};

/// One reader per response, interim ones included. Incremental; allocates nothing. Answers `need_more`,
/// `recognised` or `malformed`, never `not_mine`.
///
/// Responses come from the operator's own servers, so what is odd and cannot be read in two ways is passed
/// on:
/// - a status line without a reason, and without the space before it; any status from 100 to 999;
/// - lines that end with LF alone, if all of them do. Where only some do, one reader's value is another's
///   field line, so that is `malformed`, and a CR anywhere else is too;
/// - control characters but CR, LF and NUL in the reason and in values;
/// - a folded value, unless nothing but spaces is on the folded line;
/// - several Content-Lengths, as fields or as a list, that are equal;
/// - Transfer-Encoding in HTTP/1.0 or with Content-Length: it is believed, and keep_alive is false;
/// - a coding nobody knows: the body lasts until the close (RFC 9112, 6.3);
/// - a body that 204 announces: there is none, and keep_alive is false.
/// What decides where the response ends is read as strictly as in a request. `malformed` are:
/// - the fields Connection, Content-Length and Transfer-Encoding when folded or with a control character, and
///   any field line without a name, with a name that is no token or with space before the colon (which a
///   proxy may not pass on: RFC 9112, 5.1);
/// - a Content-Length that is empty, not all digits, passes 2^63-1 or differs from another one, also where
///   the Transfer-Encoding or the status decides;
/// - a Transfer-Encoding with an element that is empty or no token (a parameter, quotes), and "chunked"
///   before another element;
/// - an interim response that announces a body;
/// - 101 to a request which did not ask for an upgrade.
class HttpResponseHeadReader {
 public:
  explicit HttpResponseHeadReader(HttpResponseContext context = {}) : context_(context) {}

  /// `bytes`: everything received so far, from the first byte of the response; may hold more than the head.
  /// Each call's bytes begin with those of the call before (they may lie somewhere else in memory). The
  /// answer depends on the bytes alone, not on how they were cut into calls, and an answer other than
  /// `need_more` is final. A fault is reported when its line is complete, or earlier.
  Verdict read(ByteView bytes, HttpResponseHead& head);

 private:
  Verdict advance(std::string_view text);

  // These take one line without its end and answer false when a rule is broken.
  bool take_status_line(std::string_view line);
  bool take_field_line(std::string_view line);
  bool take_framing_field(const http::Field& field);
  bool take_content_length(std::string_view value);
  bool take_transfer_encoding(std::string_view value);
  [[nodiscard]] bool is_legal_fold(std::string_view line) const;
  [[nodiscard]] bool is_consistent() const;

  [[nodiscard]] bool is_interim() const;
  [[nodiscard]] bool announces_body() const;
  [[nodiscard]] HttpResponseHead::Body body() const;
  [[nodiscard]] bool keep_alive(HttpResponseHead::Body body) const;

  HttpResponseContext context_;
  Verdict verdict_ = Verdict::need_more;
  std::size_t position_ = 0;  ///< where the line that is being read begins
  std::size_t scanned_ = 0;   ///< no line ends between position_ and here
  unsigned status_ = 0;       ///< 0: the status line is still to come
  std::uint8_t minor_version_ = 0;
  bool has_bare_line_feeds_ = false;
  bool may_fold_ = false;  ///< the line before is a field whose value may go on
  bool has_transfer_encoding_ = false;
  bool is_chunked_ = false;  ///< "chunked" is the last coding so far
  std::optional<std::uint64_t> content_length_;
  http::ConnectionOptions connection_;
};

}  // namespace portshare
