#include "core/h2_request_filter.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/h2_authority.h"

namespace portshare {
namespace {

/// Literal without indexing, so the client's table stays as the server's encoder believes it to be: the name
/// ":status" from the static table (RFC 7541, 6.2.2), "421".
constexpr std::array<std::uint8_t, 5> misdirected_block{0x08, 0x03, '4', '2', '1'};

void append(std::vector<std::uint8_t>& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void append_frame(std::vector<std::uint8_t>& out, H2FrameType type, std::uint32_t stream,
                  std::uint32_t value) {
  const auto part = [value](unsigned shift) { return static_cast<std::uint8_t>(value >> shift & 0xff); };
  append_h2_frame(out, type, 0, stream, std::array{part(24), part(16), part(8), part(0)});
}

}  // namespace

H2RequestFilter::H2RequestFilter(HpackDecoder decoder, std::uint32_t first_stream, HeaderFields additions,
                                 std::size_t head_limit)
    : decoder_(std::move(decoder)),
      additions_(std::move(additions)),
      max_block_length_(std::min(head_limit, H2AuthorityReader::max_block_length)),
      last_stream_(first_stream),
      last_forwarded_(first_stream) {
  if (additions_.count() > 0) encoder_.emplace();
}

ByteView H2RequestFilter::rewrite_first(HeaderFields fields, bool ends_stream) {
  assert(encoder_);
  fields_ = std::move(fields);
  block_header_ = {.type = H2FrameType::headers,
                   .flags = ends_stream ? H2FrameHeader::end_stream : std::uint8_t{0},
                   .stream = last_stream_};
  return encoded_block(additions_);
}

H2RequestFilter::Step H2RequestFilter::next(ByteView input) {
  assert(!input.empty() && !request_);
  const std::size_t run = forward_run(input);
  if (run > 0) return {Step::Kind::to_server, run, input.first(run)};
  return missing_ > 0 ? take_payload(input) : take_header(input);
}

/// How many bytes at the front of the input belong to frames that are to be forwarded.
std::size_t H2RequestFilter::forward_run(ByteView input) {
  std::size_t run = 0;
  while (partial_length_ == 0) {
    if (missing_ > 0) {
      if (handling_ != Handling::forward) break;
      const std::size_t count = std::min(missing_, input.size() - run);
      run += count;
      missing_ -= count;
      if (missing_ > 0) break;
    }
    Cursor cursor(input.subspan(run));
    const auto header = H2FrameHeader::read(cursor);
    if (!header || handling_of(*header) != Handling::forward) break;
    begin(*header, Handling::forward);
    run += H2FrameHeader::length;
  }
  return run;
}

H2RequestFilter::Handling H2RequestFilter::handling_of(const H2FrameHeader& header) const {
  const auto collect_if = [&](bool is_legal) {
    const std::size_t before = is_in_block_ ? block_frames_.size() : 0;
    const std::size_t length = before + H2FrameHeader::length + header.payload_length;
    if (!is_legal) return Handling::malformed;
    return length <= max_block_length_ ? Handling::collect : Handling::too_large;
  };
  if (is_in_block_) {
    return collect_if(header.type == H2FrameType::continuation && header.stream == block_header_.stream);
  }
  switch (header.type) {
    case H2FrameType::headers:
      return collect_if(header.stream % 2 == 1);
    case H2FrameType::continuation:
    case H2FrameType::push_promise:  // has a header block, and only a server sends it
      return Handling::malformed;
    case H2FrameType::settings:
      // The client acknowledges in the order in which it got them (RFC 9113, 6.5.3): ours were the first.
      return awaits_own_ack_ && header.has(H2FrameHeader::ack) ? Handling::drop : Handling::forward;
    default:
      return is_refused(header.stream) ? Handling::drop : Handling::forward;
  }
}

void H2RequestFilter::begin(const H2FrameHeader& header, Handling handling) {
  frame_ = header;
  handling_ = handling;
  missing_ = header.payload_length;
  if (header.type == H2FrameType::settings && header.has(H2FrameHeader::ack)) acknowledge_settings();
  if (handling != Handling::collect) return;
  if (!is_in_block_) {
    is_in_block_ = true;
    block_header_ = header;
    block_frames_.clear();
    fields_.clear();
  }
  append(block_frames_, header.bytes());
  frame_begin_ = block_frames_.size();
}

/// Takes in the next frame's header as far as it is there.
H2RequestFilter::Step H2RequestFilter::take_header(ByteView input) {
  const std::size_t count = std::min(H2FrameHeader::length - partial_length_, input.size());
  std::ranges::copy(input.first(count),
                    partial_header_.begin() + static_cast<std::ptrdiff_t>(partial_length_));
  partial_length_ += count;
  if (partial_length_ < H2FrameHeader::length) return {Step::Kind::nothing, count};
  partial_length_ = 0;
  Cursor cursor(partial_header_);
  const H2FrameHeader header = *H2FrameHeader::read(cursor);
  const Handling handling = handling_of(header);
  is_too_large_ = handling == Handling::too_large;
  if (is_too_large_ || handling == Handling::malformed) return {Step::Kind::malformed, count};
  begin(header, handling);
  if (handling == Handling::forward) return {Step::Kind::to_server, count, partial_header_};
  if (missing_ > 0) return {Step::Kind::nothing, count};
  return handling == Handling::drop ? end_dropped(count) : end_collected(count);
}

/// Of a frame that is not just forwarded.
H2RequestFilter::Step H2RequestFilter::take_payload(ByteView input) {
  const std::size_t count = std::min(missing_, input.size());
  if (handling_ == Handling::collect) append(block_frames_, input.first(count));
  missing_ -= count;
  if (missing_ > 0) return {Step::Kind::nothing, count};
  return handling_ == Handling::drop ? end_dropped(count) : end_collected(count);
}

H2RequestFilter::Step H2RequestFilter::end_dropped(std::size_t consumed) {
  if (frame_.type != H2FrameType::data || frame_.payload_length == 0) return {Step::Kind::nothing, consumed};
  // The server, which does not get these bytes, will never give the connection's window back for them.
  out_.clear();
  append_frame(out_, H2FrameType::window_update, 0, frame_.payload_length);
  return {Step::Kind::to_client, consumed, out_};
}

H2RequestFilter::Step H2RequestFilter::end_collected(std::size_t consumed) {
  const ByteView payload = ByteView(block_frames_).subspan(frame_begin_);
  const auto fragment = frame_.type == H2FrameType::headers ? h2_header_fragment(frame_, payload) : payload;
  const bool is_last = frame_.has(H2FrameHeader::end_headers);
  if (!fragment || !decoder_.decode(*fragment, is_last, fields_)) {
    is_too_large_ = fields_.has_overflowed();
    return {Step::Kind::malformed, consumed};
  }
  if (!is_last) return {Step::Kind::nothing, consumed};
  is_in_block_ = false;
  return end_block(consumed);
}

H2RequestFilter::Step H2RequestFilter::end_block(std::size_t consumed) {
  const std::uint32_t stream = block_header_.stream;
  if (stream <= last_stream_) {
    if (!are_legal_h2_trailers(fields_)) return {Step::Kind::malformed, consumed};
    if (is_refused(stream)) return {Step::Kind::nothing, consumed};
    // A stream that the client has skipped is closed (RFC 9113, 5.1.1). The server, which has not seen the
    // refused ones above it, would take this for a request.
    if (stream > last_forwarded_) return {Step::Kind::malformed, consumed};
    return {Step::Kind::to_server, consumed, encoder_ ? encoded_block({}) : ByteView(block_frames_)};
  }
  request_ = judge_h2_request(fields_);
  if (!request_ || refused_.size() == max_refused_streams) {
    request_.reset();
    return {Step::Kind::malformed, consumed};
  }
  last_stream_ = stream;
  return {Step::Kind::request, consumed};
}

ByteView H2RequestFilter::forward() {
  assert(request_);
  request_.reset();
  last_forwarded_ = last_stream_;
  return encoder_ ? encoded_block(additions_) : ByteView(block_frames_);
}

ByteView H2RequestFilter::refuse() {
  assert(request_);
  request_.reset();
  refused_.push_back(last_stream_);
  // From here on the server's table lacks what this block has put into the client's.
  if (!encoder_) encoder_.emplace();
  out_.clear();
  append_h2_frame(out_, H2FrameType::headers, H2FrameHeader::end_headers | H2FrameHeader::end_stream,
                  last_stream_, misdirected_block);
  // The client need not send the rest of its request (RFC 9113, 8.1).
  constexpr std::uint32_t no_error = 0;
  if (!block_header_.has(H2FrameHeader::end_stream)) {
    append_frame(out_, H2FrameType::rst_stream, last_stream_, no_error);
  }
  return out_;
}

/// The header block just decoded, in frames without padding and priority.
ByteView H2RequestFilter::encoded_block(const HeaderFields& additions) {
  std::vector<std::uint8_t> block;
  encoder_->encode(fields_, additions, block);
  out_.clear();
  ByteView rest(block);
  auto type = H2FrameType::headers;
  auto flags = static_cast<std::uint8_t>(block_header_.flags & H2FrameHeader::end_stream);
  do {
    const ByteView payload = rest.first(std::min(rest.size(), h2_default_max_frame_size));
    rest = rest.subspan(payload.size());
    if (rest.empty()) flags |= H2FrameHeader::end_headers;
    append_h2_frame(out_, type, flags, block_header_.stream, payload);
    type = H2FrameType::continuation;
    flags = 0;
  } while (!rest.empty());
  return out_;
}

bool H2RequestFilter::server_sent_settings(std::optional<std::uint32_t> header_table_size) {
  if (unacknowledged_.size() == max_unacknowledged_settings) return false;
  unacknowledged_.push_back(header_table_size);
  return true;
}

/// The client encodes by the server's settings from its acknowledgement on.
void H2RequestFilter::acknowledge_settings() {
  if (std::exchange(awaits_own_ack_, false)) return;
  if (unacknowledged_.empty()) return;  // to settings that nobody sent: the server will say so
  if (const auto size = unacknowledged_.front()) decoder_.change_table_size(*size);
  unacknowledged_.pop_front();
}

bool H2RequestFilter::is_refused(std::uint32_t stream) const {
  return std::ranges::binary_search(refused_, stream);
}

std::size_t H2ResponseFrames::advance(ByteView bytes) {
  assert(!bytes.empty());
  ended_settings_ = false;
  std::size_t taken = 0;
  if (missing_ == 0) {
    taken = std::min(H2FrameHeader::length - header_length_, bytes.size());
    std::ranges::copy(bytes.first(taken), header_.begin() + static_cast<std::ptrdiff_t>(header_length_));
    header_length_ += taken;
    if (header_length_ < H2FrameHeader::length) return taken;
    header_length_ = 0;
    Cursor cursor(header_);
    frame_ = *H2FrameHeader::read(cursor);
    missing_ = frame_.payload_length;
    setting_length_ = 0;
    if (frame_.type == H2FrameType::settings) header_table_size_.reset();
  }
  const ByteView payload = bytes.subspan(taken, std::min(missing_, bytes.size() - taken));
  if (frame_.type == H2FrameType::settings) take_payload(payload);
  missing_ -= payload.size();
  if (missing_ == 0) end_frame();
  return taken + payload.size();
}

/// The settings of a SETTINGS frame, each an identifier of two bytes and a value of four.
void H2ResponseFrames::take_payload(ByteView payload) {
  constexpr std::uint16_t header_table_size = 1;
  for (const std::uint8_t byte : payload) {
    setting_[setting_length_++] = byte;
    if (setting_length_ < setting_.size()) continue;
    setting_length_ = 0;
    Cursor cursor(setting_);
    if (cursor.read_u16() == header_table_size) header_table_size_ = cursor.read_u32();
  }
}

void H2ResponseFrames::end_frame() {
  has_begun_ = true;
  const bool has_block = frame_.type == H2FrameType::headers || frame_.type == H2FrameType::push_promise ||
                         frame_.type == H2FrameType::continuation;
  if (has_block) is_in_block_ = !frame_.has(H2FrameHeader::end_headers);
  ended_settings_ = frame_.type == H2FrameType::settings && !frame_.has(H2FrameHeader::ack);
}

}  // namespace portshare
