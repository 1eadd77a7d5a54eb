// Follows the body of an HTTP/1 message through the stream: RFC 9112 (6, 7.1).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/byte_view.h"

namespace portshare {

struct HttpHead;
struct HttpResponseHead;

/// One body, from the first byte behind the head. Says which bytes belong to it, so that they can be passed
/// on as they are, chunk sizes, extensions and trailers included. Bytes inside a body or a chunk are counted
/// without being looked at. Allocates nothing, keeps no bytes.
///
/// Chunked bodies are read strictly, because two programs that read the same bytes differently are what
/// request smuggling is made of. `malformed` are:
/// - a line that does not end with CR LF, or with its end is longer than max_line_length; CR, NUL or another
///   control character in a line (HTAB may stand in an extension and in a trailer's value);
/// - a chunk size that is not 1 to 16 hexadecimal digits or passes 2^63-1: no sign, no "0x", no space around
///   it, not even the one that RFC 9112, 7.1.1 lets a reader accept before the ";" of an extension. Zeros in
///   front count as digits, since some readers count digits where others compute;
/// - chunk data with anything but CR LF behind it;
/// - a trailer that is no legal field line (see HttpHeadReader), that is folded, or that is named
///   Content-Length, Transfer-Encoding or Host: a program which merges trailers into the head would be fooled
///   (RFC 9110, 6.5.1); trailers that together are longer than max_trailers_length.
/// What stands behind the ";" of an extension is not parsed further: no reading of it moves the line's end.
class HttpBody {
 public:
  static constexpr std::size_t max_line_length = std::size_t{8} * 1024;
  static constexpr std::size_t max_trailers_length = std::size_t{16} * 1024;

  enum class Progress : std::uint8_t {
    more,       ///< the body goes on
    complete,   ///< it ended; what was not counted is the next message
    malformed,  ///< it cannot be followed further
  };
  struct Consumed {
    std::size_t count = 0;  ///< so many bytes from the front are of the body and legal
    Progress progress = Progress::more;
  };

  /// The body that a legal head announces. A tunnel lasts until the stream closes.
  static HttpBody of(const HttpHead& head);
  static HttpBody of(const HttpResponseHead& head);
  static HttpBody none() { return HttpBody(Stage::complete, 0); }
  static HttpBody with_length(std::uint64_t length) { return HttpBody(Stage::counted, length); }
  static HttpBody chunked() { return HttpBody(Stage::chunk_line, 0); }
  static HttpBody until_close() { return HttpBody(Stage::until_close, 0); }

  /// `bytes` begin where the bytes counted so far end. An incomplete line is not counted: those fewer than
  /// max_line_length bytes are to be shown again with what arrives behind them, and so a line which is found
  /// to be malformed has not been passed on, not even in part. What is counted in total and how it ends do
  /// not depend on how the bytes were cut into calls, and `complete` and `malformed` are final.
  Consumed consume(ByteView bytes);

  /// Nothing of it is to come; true at once for an empty one.
  [[nodiscard]] bool is_complete() const {
    return stage_ == Stage::complete || (stage_ == Stage::counted && remaining_ == 0);
  }
  /// Whether the stream may close here; false: a body that closes now was cut off.
  [[nodiscard]] bool may_close() const { return is_complete() || stage_ == Stage::until_close; }

  /// So many of the next bytes are the body's, whatever they are, and do not complete it.
  [[nodiscard]] std::uint64_t unseen_allowance() const;
  /// Counts `count` of them, without having seen them.
  void pass_unseen(std::uint64_t count);

 private:
  enum class Stage : std::uint8_t {
    counted,
    until_close,
    chunk_line,  ///< the size with its extensions
    chunk_data,
    chunk_end,  ///< CR LF behind the data
    trailers,
    complete,
    malformed,
  };

  HttpBody(Stage stage, std::uint64_t remaining) : remaining_(remaining), stage_(stage) {}

  // These read on from the front of `rest` and answer how many bytes they count; 0 means that more is needed
  // or that the stage is final.
  std::size_t advance(std::string_view rest);
  std::size_t pass_data(std::string_view rest, Stage next);
  std::size_t read_chunk_line(std::string_view rest);
  std::size_t read_chunk_end(std::string_view rest);
  std::size_t read_trailer(std::string_view rest);

  /// The length of the line at the front with its CR LF, or 0: it is incomplete or too long, or has another
  /// end.
  std::size_t find_line(std::string_view rest, std::size_t max_length);
  std::size_t fail();

  std::uint64_t remaining_;  ///< of the chunk or of the counted body
  std::size_t trailers_length_ = 0;
  Stage stage_;
};

}  // namespace portshare
