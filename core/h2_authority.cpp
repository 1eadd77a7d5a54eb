#include "core/h2_authority.h"

#include <algorithm>
#include <cassert>
#include <string_view>
#include <utility>

namespace portshare {
namespace {

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::uint32_t max_window = 0x7fffffff;

/// RFC 9113, 6.5.2: the values that are errors.
bool are_legal_settings(ByteView payload) {
  enum Identifier : std::uint16_t { enable_push = 2, initial_window_size = 4, max_frame_size = 5 };
  Cursor cursor(payload);
  while (!cursor.at_end()) {
    const auto identifier = cursor.read_u16();
    const auto value = cursor.read_u32();
    if (!value) return false;
    if (identifier == enable_push && *value > 1) return false;
    if (identifier == initial_window_size && *value > max_window) return false;
    if (identifier == max_frame_size && (*value < h2_default_max_frame_size || *value > 0xffffff))
      return false;
  }
  return true;
}

bool is_legal_settings_frame(const H2FrameHeader& header, ByteView payload) {
  if (header.stream != 0) return false;
  return header.has(H2FrameHeader::ack) ? payload.empty() : are_legal_settings(payload);
}

/// May this frame stand before the first request? HEADERS and SETTINGS aside.
bool may_precede_request(const H2FrameHeader& header, ByteView payload) {
  const bool is_on_connection = header.stream == 0;
  switch (header.type) {
    case H2FrameType::priority:
      return !is_on_connection && payload.size() == 5;
    case H2FrameType::ping:
      return is_on_connection && payload.size() == 8;
    case H2FrameType::goaway:
      return is_on_connection && payload.size() >= 8;
    case H2FrameType::window_update: {
      const auto increment = Cursor(payload).read_u32();
      return is_on_connection && payload.size() == 4 && (*increment & max_window) != 0;
    }
    case H2FrameType::data:
    case H2FrameType::headers:
    case H2FrameType::rst_stream:
    case H2FrameType::settings:
    case H2FrameType::push_promise:
    case H2FrameType::continuation:
      return false;
  }
  return true;  // of a type that this version of the protocol does not know
}

}  // namespace

Verdict H2AuthorityReader::read(ByteView bytes, H2FirstRequest& first) {
  if (verdict_ == Verdict::need_more) verdict_ = advance(bytes);
  if (verdict_ == Verdict::recognised) {
    first = {*request_, stream_, block_begin_, ends_stream_, position_, settings_ack_};
  }
  return verdict_;
}

HpackDecoder H2AuthorityReader::take_decoder() {
  assert(verdict_ == Verdict::recognised);
  return std::move(block_->decoder);
}

HeaderFields H2AuthorityReader::take_fields() {
  assert(verdict_ == Verdict::recognised);
  return std::move(block_->fields);
}

Verdict H2AuthorityReader::advance(ByteView bytes) {
  if (stage_ == Stage::preface) {
    const Verdict verdict = read_preface(bytes);
    if (verdict != Verdict::recognised) return verdict;
    stage_ = Stage::settings;
    position_ = preface.size();
  }
  for (;;) {
    const std::size_t before = position_;
    const Verdict verdict = read_frame(bytes);
    if (verdict != Verdict::need_more || position_ == before) return verdict;
  }
}

Verdict H2AuthorityReader::read_preface(ByteView bytes) {
  const std::size_t count = std::min(bytes.size(), preface.size());
  if (as_text(bytes.first(count)) != preface.substr(0, count)) return Verdict::not_mine;
  return count == preface.size() ? Verdict::recognised : Verdict::need_more;
}

/// Takes in the frame at position_, if it is complete, and moves on.
Verdict H2AuthorityReader::read_frame(ByteView bytes) {
  Cursor cursor(bytes.subspan(position_));
  const auto header = H2FrameHeader::read(cursor);
  if (!header) return Verdict::need_more;
  if (header->payload_length > h2_default_max_frame_size) return Verdict::malformed;
  // What kind of frame may come now does not depend on its payload: say so at once.
  const bool is_settings = header->type == H2FrameType::settings && !header->has(H2FrameHeader::ack);
  if (stage_ == Stage::settings && !is_settings) return Verdict::malformed;
  const bool continues = header->type == H2FrameType::continuation && header->stream == stream_;
  if (stage_ == Stage::continuations && !continues) return Verdict::malformed;
  if (header->type == H2FrameType::headers) {
    const bool is_client_stream = header->stream % 2 == 1;
    if (!is_client_stream) return Verdict::malformed;
    stream_ = header->stream;
    block_begin_ = position_;
    ends_stream_ = header->has(H2FrameHeader::end_stream);
  }
  const auto payload = cursor.read_bytes(header->payload_length);
  if (!payload) return Verdict::need_more;
  const bool is_ack = header->type == H2FrameType::settings && header->has(H2FrameHeader::ack);
  if (is_ack && !settings_ack_) settings_ack_ = position_;
  position_ += H2FrameHeader::length + payload->size();
  return take_frame(*header, *payload);
}

Verdict H2AuthorityReader::take_frame(const H2FrameHeader& header, ByteView payload) {
  if (stage_ == Stage::continuations) return take_fragment(payload, header.has(H2FrameHeader::end_headers));
  if (header.type == H2FrameType::headers) return take_headers(header, payload);
  const bool is_legal = header.type == H2FrameType::settings ? is_legal_settings_frame(header, payload)
                                                             : may_precede_request(header, payload);
  stage_ = Stage::frames;
  return is_legal ? Verdict::need_more : Verdict::malformed;
}

Verdict H2AuthorityReader::take_headers(const H2FrameHeader& header, ByteView payload) {
  const auto fragment = h2_header_fragment(header, payload);
  if (!fragment) return Verdict::malformed;
  stage_ = Stage::continuations;
  block_ = std::make_unique<Block>();
  return take_fragment(*fragment, header.has(H2FrameHeader::end_headers));
}

Verdict H2AuthorityReader::take_fragment(ByteView fragment, bool is_last) {
  block_length_ += H2FrameHeader::length + fragment.size();
  is_too_large_ = block_length_ > max_block_length;
  if (is_too_large_) return Verdict::malformed;
  if (!block_->decoder.decode(fragment, is_last, block_->fields)) {
    is_too_large_ = block_->fields.has_overflowed();
    return Verdict::malformed;
  }
  if (!is_last) return Verdict::need_more;
  request_ = judge_h2_request(block_->fields);
  return request_ ? Verdict::recognised : Verdict::malformed;
}

}  // namespace portshare
