// The client's side of a cleartext HTTP/2 connection behind its first request: finds the further requests,
// and keeps those that another backend serves from the server. The decision is docs/adr/0004.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/byte_view.h"
#include "core/h2_authority.h"
#include "core/h2_frame.h"
#include "core/h2_request.h"
#include "core/hpack.h"

namespace portshare {

/// Fed with what the client sends, it says in steps what goes to the server and what is answered in its
/// place. Until the first refusal every byte goes on as it came, unless fields are to be added. Memory: one
/// header block, the HPACK table, and the numbers of the refused streams, all bounded. Frames that concern no
/// request are the server's to judge.
class H2RequestFilter {
 public:
  /// A client that asks for so much that is not here does not listen.
  static constexpr std::size_t max_refused_streams = 1000;
  /// Nor does a server that sends so many SETTINGS while none is acknowledged wait for it.
  static constexpr std::size_t max_unacknowledged_settings = 1000;

  /// `decoder` and `first_stream` as H2AuthorityReader leaves them; the bytes up to H2FirstRequest::length
  /// have gone to the server. `additions` are put behind the fields of each request; if there are any, all
  /// header blocks are written anew, and the first request's has to be, too: rewrite_first(). `head_limit`:
  /// of a header block as it travels, if that is less than H2AuthorityReader::max_block_length.
  H2RequestFilter(HpackDecoder decoder, std::uint32_t first_stream, HeaderFields additions = {},
                  std::size_t head_limit = H2AuthorityReader::max_block_length);

  struct Step {
    enum class Kind : std::uint8_t {
      nothing,    ///< bytes were taken in or dropped
      to_server,  ///< send `bytes` there
      to_client,  ///< send `bytes` there, where H2ResponseFrames::may_insert allows
      request,    ///< request() is complete: call forward() or refuse()
      malformed,  ///< nothing more can be understood: end the connection; final
    };
    Kind kind = Kind::nothing;
    std::size_t consumed = 0;  ///< bytes of the input that this step has dealt with
    ByteView bytes = {};       ///< in the input or in the filter: valid until the next call
  };
  /// `input`, not empty, begins behind what the steps before have consumed. Before each step's successor its
  /// bytes have to be sent or copied.
  Step next(ByteView input);

  /// What is `malformed` is so because a header block is too long.
  [[nodiscard]] bool is_too_large() const { return is_too_large_; }

  /// What the server is to get in place of the first request's header block. Valid until the next call.
  ByteView rewrite_first(HeaderFields fields, bool ends_stream);

  /// Valid until forward() or refuse().
  [[nodiscard]] const H2Request& request() const { return *request_; }
  /// Of the last request that was complete.
  [[nodiscard]] std::uint32_t stream() const { return last_stream_; }
  /// What the server is to get of the request. Valid until the next call.
  ByteView forward();
  /// The answer to the client: 421 on the request's stream, of which the server will see nothing. Valid until
  /// the next call.
  ByteView refuse();

  /// The server has sent a SETTINGS frame which is no acknowledgement, with this SETTINGS_HEADER_TABLE_SIZE
  /// or without one. To be called for each, in order, before the client gets it. False: there are more than
  /// max_unacknowledged_settings.
  bool server_sent_settings(std::optional<std::uint32_t> header_table_size);
  /// The client has got SETTINGS which are not the server's, and empty: the acknowledgement is dropped. To be
  /// called before any of the server's.
  void own_settings_sent() { awaits_own_ack_ = true; }

 private:
  enum class Handling : std::uint8_t { forward, drop, collect, malformed, too_large };

  [[nodiscard]] Handling handling_of(const H2FrameHeader& header) const;
  void begin(const H2FrameHeader& header, Handling handling);
  std::size_t forward_run(ByteView input);
  Step take_header(ByteView input);
  Step take_payload(ByteView input);
  Step end_dropped(std::size_t consumed);
  Step end_collected(std::size_t consumed);
  Step end_block(std::size_t consumed);
  void acknowledge_settings();
  ByteView encoded_block(const HeaderFields& additions);
  [[nodiscard]] bool is_refused(std::uint32_t stream) const;

  HpackDecoder decoder_;
  const HeaderFields additions_;
  const std::size_t max_block_length_;
  bool is_too_large_ = false;
  std::optional<HpackEncoder> encoder_;                      ///< since blocks are written anew
  std::deque<std::optional<std::uint32_t>> unacknowledged_;  ///< of server_sent_settings
  bool awaits_own_ack_ = false;
  std::vector<std::uint32_t> refused_;  ///< ascending

  std::array<std::uint8_t, H2FrameHeader::length> partial_header_{};
  std::size_t partial_length_ = 0;
  H2FrameHeader frame_;  ///< whose payload is coming
  Handling handling_ = Handling::forward;
  std::size_t missing_ = 0;  ///< of its payload

  std::vector<std::uint8_t> block_frames_;  ///< the frames of a header block, as they came
  std::size_t frame_begin_ = 0;             ///< of the payload of the last of them
  H2FrameHeader block_header_;              ///< of the first of them
  bool is_in_block_ = false;
  HeaderFields fields_;
  std::optional<H2Request> request_;
  std::uint32_t last_stream_;
  std::uint32_t last_forwarded_;  ///< the last stream that the server knows
  std::vector<std::uint8_t> out_;
};

/// The server's side of the same connection: where in it a frame for the client may be put.
class H2ResponseFrames {
 public:
  /// Moves over what the server has sent, `bytes`, not empty, up to the end of the current frame at most.
  /// Answers how many bytes that are.
  std::size_t advance(ByteView bytes);

  /// The next byte begins a frame, the server's first frame, its SETTINGS, is through, and no header block is
  /// open (RFC 9113, 4.3).
  [[nodiscard]] bool may_insert() const {
    return has_begun_ && !is_in_block_ && header_length_ == 0 && missing_ == 0;
  }

  /// The server has not said anything.
  [[nodiscard]] bool is_untouched() const { return !has_begun_ && header_length_ == 0 && missing_ == 0; }

  /// The last advance() ended a SETTINGS frame that is no acknowledgement; H2RequestFilter wants to know of
  /// it.
  [[nodiscard]] bool ended_settings() const { return ended_settings_; }
  [[nodiscard]] std::optional<std::uint32_t> header_table_size() const { return header_table_size_; }

 private:
  void take_payload(ByteView payload);
  void end_frame();

  std::array<std::uint8_t, H2FrameHeader::length> header_{};
  std::size_t header_length_ = 0;  ///< bytes of the next frame's header that are there
  H2FrameHeader frame_;
  std::size_t missing_ = 0;
  std::array<std::uint8_t, 6> setting_{};
  std::size_t setting_length_ = 0;
  std::optional<std::uint32_t> header_table_size_;
  bool has_begun_ = false;
  bool is_in_block_ = false;
  bool ended_settings_ = false;
};

}  // namespace portshare
