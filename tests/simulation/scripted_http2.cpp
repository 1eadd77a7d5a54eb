#include "tests/simulation/scripted_http2.h"

#include <algorithm>
#include <set>

#include "tests/simulation/seeded_runs.h"

namespace portshare {
namespace {

using test::H2Fields;

constexpr std::string_view preface = test::h2_preface;

/// Header blocks with a table, as RFC 7541 has it, so that one that gets lost shows.
class TableEncoder {
 public:
  std::string encode(const H2Fields& fields) {
    std::string block;
    for (const auto& field : fields) block += encode(field);
    return block;
  }

 private:
  using Field = H2Fields::value_type;
  static constexpr std::size_t static_entries = 61;
  static std::size_t size_of(const Field& field) { return field.first.size() + field.second.size() + 32; }

  std::string encode(const Field& field) {
    const auto found = std::ranges::find(table_, field);
    if (found != table_.end()) {
      const auto index = static_entries + 1 + static_cast<std::size_t>(found - table_.begin());
      if (index < 127) return {static_cast<char>(0x80 | index)};
      return {'\xff', static_cast<char>(index - 127)};
    }
    table_.push_front(field);
    size_ += size_of(field);
    for (; size_ > 4096; table_.pop_back()) size_ -= size_of(table_.back());
    return test::hpack_field(field.first, field.second, test::Indexing::incremental);
  }

  std::deque<Field> table_;
  std::size_t size_ = 0;
};

/// The frames of a message, in order. Trailers need no table.
std::deque<std::string> message_frames(Random& random, std::uint32_t stream, const std::string& block,
                                       const std::string& body, const H2Fields& trailers) {
  constexpr unsigned end_stream = H2FrameHeader::end_stream;
  constexpr unsigned end_headers = H2FrameHeader::end_headers;
  const auto headers = [&](const std::string& whole, unsigned flags) {
    if (random.chance(2, 3)) return test::h2_headers(stream, whole, flags | end_headers);
    const std::size_t cut = random.below(whole.size() + 1);
    return test::h2_headers(stream, whole.substr(0, cut), flags) +
           test::h2_frame(H2FrameType::continuation, end_headers, stream, whole.substr(cut));
  };
  std::deque<std::string> frames{headers(block, body.empty() && trailers.empty() ? end_stream : 0)};
  for (std::size_t sent = 0; sent < body.size();) {
    const std::size_t length = std::min(1 + random.below(9'000), body.size() - sent);
    const bool is_last = sent + length == body.size() && trailers.empty();
    frames.push_back(
        test::h2_frame(H2FrameType::data, is_last ? end_stream : 0, stream, body.substr(sent, length)));
    sent += length;
  }
  if (!trailers.empty()) frames.push_back(headers(test::hpack_block(trailers), end_stream));
  return frames;
}

/// Sends messages with their frames in between each other. They begin in the order in which they are added.
class Interleaving {
 public:
  explicit Interleaving(Random& random) : random_(random) {}

  void add(std::deque<std::string> frames) {
    while (!open_.empty() && random_.chance(1, 2)) send_one();
    wire_ += frames.front();
    frames.pop_front();
    if (!frames.empty()) open_.push_back(std::move(frames));
  }
  std::string finish() {
    while (!open_.empty()) send_one();
    return std::exchange(wire_, {});
  }

 private:
  void send_one() {
    const auto place = open_.begin() + static_cast<std::ptrdiff_t>(random_.below(open_.size()));
    wire_ += place->front();
    place->pop_front();
    if (place->empty()) open_.erase(place);
  }

  Random& random_;
  std::vector<std::deque<std::string>> open_;
  std::string wire_;
};

class Client {
 public:
  Client(Http2ClientPlan plan, Random& random)
      : plan_(std::move(plan)), random_(random), reading_(false), phases_(plan_.streams.back().phase + 1) {}

  PeerScript::Reaction react(const std::string& received) {
    PeerScript::Reaction reaction;
    if (!std::exchange(has_begun_, true)) reaction.send = test::h2_start();
    reading_.read(received);
    for (; acknowledged_ < reading_.settings; ++acknowledged_)
      reaction.send += test::h2_frame(H2FrameType::settings, H2FrameHeader::ack, 0, "");
    if (plan_.waits_for_settings && reading_.settings == 0) return reaction;
    while (phase_ < phases_ && is_answered_up_to(phase_)) reaction.send += requests_of(phase_++);
    reaction.finished = is_answered_up_to(phases_);
    if (reaction.finished) reaction.send += plan_.last_words;
    return reaction;
  }

 private:
  [[nodiscard]] bool is_answered_up_to(std::size_t phase) const {
    return std::ranges::all_of(plan_.streams, [&](const PlannedStream& stream) {
      const auto found = reading_.messages.find(stream.number);
      return stream.phase >= phase || (found != reading_.messages.end() && found->second.has_ended);
    });
  }

  std::string requests_of(std::size_t phase) {
    Interleaving wire(random_);
    for (const PlannedStream& stream : plan_.streams) {
      if (stream.phase != phase) continue;
      wire.add(message_frames(random_, stream.number, encoder_.encode(stream.fields), stream.body,
                              stream.trailers));
    }
    return wire.finish();
  }

  Http2ClientPlan plan_;
  Random& random_;
  Http2Reading reading_;
  TableEncoder encoder_;
  const std::size_t phases_;
  std::size_t acknowledged_ = 0;
  std::size_t phase_ = 0;
  bool has_begun_ = false;
};

class Server {
 public:
  explicit Server(Random& random) : random_(random), reading_(true) {}

  PeerScript::Reaction react(const std::string& received) {
    PeerScript::Reaction reaction;
    if (!std::exchange(has_begun_, true)) {
      for (auto count = 1 + random_.below(2); count > 0; --count) reaction.send += test::h2_settings();
    }
    reading_.read(received);
    Interleaving wire(random_);
    for (auto& [number, message] : reading_.messages) {
      if (!message.has_ended || !answered_.insert(number).second) continue;
      const H2Fields fields{
          {":status", "200"}, {"answer-to", message.fields.at(2).second}, {"server", "scripted"}};
      wire.add(message_frames(random_, number, encoder_.encode(fields), message.body, message.trailers));
    }
    reaction.send += wire.finish();
    return reaction;
  }

 private:
  Random& random_;
  Http2Reading reading_;
  TableEncoder encoder_;
  std::set<std::uint32_t> answered_;
  bool has_begun_ = false;
};

void copy_fields(const HeaderFields& from, H2Fields& to) {
  for (std::size_t i = 0; i < from.count(); ++i) to.emplace_back(from[i].name, from[i].value);
}

}  // namespace

std::vector<PlannedStream> draw_streams(Random& random, std::size_t count, const std::string& first,
                                        const std::vector<std::string>& names, std::size_t body_limit) {
  std::vector<PlannedStream> streams;
  std::uint32_t number = 1;
  std::size_t phase = 0;
  for (std::size_t i = 0; i < count; ++i) {
    PlannedStream stream;
    stream.number = number;
    number += 2 * static_cast<std::uint32_t>(1 + random.below(3));
    const std::string& name = i == 0 ? first : names[random.below(names.size())];
    stream.fields = {{":method", "POST"},
                     {":scheme", "http"},
                     {":path", "/" + std::to_string(i)},
                     {":authority", name},
                     {"x-of", name}};
    if (random.chance(1, 3)) stream.fields.emplace_back("x-filler", std::string(random.below(300), 'f'));
    if (random.chance(1, 2)) stream.body = draw_body(random, body_limit);
    if (random.chance(1, 4)) stream.trailers = {{"x-trailer", std::to_string(i)}};
    if (random.chance(1, 4)) ++phase;
    stream.phase = phase;
    streams.push_back(std::move(stream));
  }
  // Phases are counted from the first stream's.
  for (std::size_t i = streams.size(); i-- > 0;) streams[i].phase -= streams[0].phase;
  return streams;
}

void Http2Reading::read(const std::string& received) {
  if (!has_preface_) {
    if (received.size() < preface.size()) return;
    if (!received.starts_with(preface)) fault = "no preface";
    has_preface_ = true;
    position_ = preface.size();
  }
  while (fault.empty()) {
    Cursor cursor(as_bytes(received).subspan(position_));
    const auto header = H2FrameHeader::read(cursor);
    const auto payload = header ? cursor.read_bytes(header->payload_length) : std::nullopt;
    if (!payload) return;
    position_ += H2FrameHeader::length + payload->size();
    take(*header, *payload);
  }
}

void Http2Reading::take(const H2FrameHeader& header, ByteView payload) {
  const bool is_continuation = header.type == H2FrameType::continuation;
  if ((block_stream_ != 0) != is_continuation || (is_continuation && header.stream != block_stream_))
    fault = "a frame within a header block";
  switch (header.type) {
    case H2FrameType::settings:
      ++(header.has(H2FrameHeader::ack) ? acknowledgements : settings);
      return;
    case H2FrameType::headers:
      block_.clear();
      block_ends_stream_ = header.has(H2FrameHeader::end_stream);
      return take_fragment(header, payload);
    case H2FrameType::continuation:
      return take_fragment(header, payload);
    case H2FrameType::data:
      if (!messages.contains(header.stream)) fault = "DATA on a stream without a request";
      messages[header.stream].body += as_text(payload);
      messages[header.stream].has_ended |= header.has(H2FrameHeader::end_stream);
      return;
    case H2FrameType::window_update:
      if (header.stream == 0) connection_window += Cursor(payload).read_u32().value_or(0);
      return;
    case H2FrameType::goaway:
      // A notice that the end is near says nothing of any stream.
      (Cursor(payload).read_u32() == 0x7fffffff ? shutdown_notices : goaways) += 1;
      return;
    default:
      return;
  }
}

void Http2Reading::take_fragment(const H2FrameHeader& header, ByteView fragment) {
  const bool is_last = header.has(H2FrameHeader::end_headers);
  if (!decoder_.decode(fragment, is_last, block_)) fault = "a header block that cannot be decoded";
  block_stream_ = is_last ? 0 : header.stream;
  if (!is_last) return;
  Message& message = messages[header.stream];
  copy_fields(block_, message.fields.empty() ? message.fields : message.trailers);
  message.has_ended |= block_ends_stream_;
}

PeerScript http2_client(Http2ClientPlan plan, Random& random) {
  return {.react = [client = std::make_shared<Client>(std::move(plan), random)](const std::string& received) {
    return client->react(received);
  }};
}

PeerScript http2_server(Random& random) {
  return {.react = [server = std::make_shared<Server>(random)](const std::string& received) {
    return server->react(received);
  }};
}

}  // namespace portshare
