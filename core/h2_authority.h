// Reads the client's side of a cleartext HTTP/2 connection up to its first request: RFC 9113, sections 3.3,
// 3.4, 4 and 6.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/byte_view.h"
#include "core/h2_frame.h"
#include "core/h2_request.h"
#include "core/hpack.h"
#include "core/verdict.h"

namespace portshare {

/// The request with which a connection begins. The views are valid as long as the reader.
struct H2FirstRequest {
  H2Request request;
  std::uint32_t stream = 0;
  std::size_t block_begin = 0;  ///< where the first frame of its header block begins
  bool ends_stream = false;     ///< there is no body
  std::size_t length = 0;       ///< bytes from the front of the connection to the end of its header block
  /// Where the first acknowledgement of SETTINGS begins, a frame without payload.
  std::optional<std::size_t> settings_ack = {};
};

/// One reader per connection. Incremental: a frame is taken in when it is complete, once. Allocates when the
/// first header block begins: the decoder's table, and the fields, both bounded.
class H2AuthorityReader {
 public:
  /// Of a header block as it travels, with 9 bytes for each of its frames. A block of many tiny frames costs
  /// as much as a long one.
  static constexpr std::size_t max_block_length = std::size_t{64} * 1024;

  /// `bytes`: everything received so far, from the first byte; each call's bytes begin with those of the call
  /// before (they may lie somewhere else in memory). The answer depends on the bytes alone, not on how they
  /// were cut into calls, and an answer other than `need_more` is final.
  ///
  /// Claims the connection from the whole preface on; bytes that cannot become the preface are `not_mine`.
  /// `malformed` are a first frame that is not SETTINGS, a frame before the request that has no business
  /// there or a wrong size, over 16384 bytes say, a header block that breaks HPACK, or passes
  /// max_block_length or HeaderFields::max_size, and what judge_h2_request refuses. Frames of unknown types
  /// are skipped.
  Verdict read(ByteView bytes, H2FirstRequest& first);

  /// The preface is complete, so the bytes claim to be HTTP/2.
  [[nodiscard]] bool has_preface() const { return stage_ != Stage::preface; }
  /// The client's SETTINGS have come, and no request has begun. Some clients wait here for the server's.
  [[nodiscard]] bool awaits_settings() const {
    return verdict_ == Verdict::need_more && stage_ == Stage::frames && stream_ == 0;
  }
  /// Of the first request, once its header block has begun; 0 before.
  [[nodiscard]] std::uint32_t stream() const { return stream_; }
  /// What is `malformed` is so because the header block is too long.
  [[nodiscard]] bool is_too_large() const { return is_too_large_; }

  /// The decoder as the first request's header block has left it, for whoever reads on. After `recognised`,
  /// once.
  HpackDecoder take_decoder();
  /// The fields of the first request; likewise. What H2FirstRequest::request refers to goes with them.
  HeaderFields take_fields();

 private:
  enum class Stage : std::uint8_t { preface, settings, frames, continuations };

  Verdict advance(ByteView bytes);
  Verdict read_preface(ByteView bytes);
  Verdict read_frame(ByteView bytes);
  Verdict take_frame(const H2FrameHeader& header, ByteView payload);
  Verdict take_headers(const H2FrameHeader& header, ByteView payload);
  Verdict take_fragment(ByteView fragment, bool is_last);

  /// What only a connection with a header block needs.
  struct Block {
    HpackDecoder decoder;
    HeaderFields fields;
  };

  Verdict verdict_ = Verdict::need_more;
  Stage stage_ = Stage::preface;
  std::size_t position_ = 0;      ///< of the next frame
  std::size_t block_length_ = 0;  ///< as max_block_length counts
  std::uint32_t stream_ = 0;
  bool is_too_large_ = false;
  std::size_t block_begin_ = 0;
  bool ends_stream_ = false;
  std::optional<std::size_t> settings_ack_;
  std::unique_ptr<Block> block_;
  std::optional<H2Request> request_;
};

}  // namespace portshare
