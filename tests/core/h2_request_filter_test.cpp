#include "core/h2_request_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/core/h2_builder.h"
#include "tests/core/h2_relay.h"

namespace portshare::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr unsigned end_headers = H2FrameHeader::end_headers;
constexpr unsigned end_stream = H2FrameHeader::end_stream;

using Passed = H2Passed;

Passed pass(std::string_view bytes, std::size_t piece) {
  H2Relay relay;
  for (std::size_t i = 0; i < bytes.size(); i += piece) relay.receive(bytes.substr(i, piece));
  return relay.passed();
}

/// The outcome, after seeing that no cut changes it.
Passed pass(const std::string& bytes) {
  const Passed whole = pass(bytes, bytes.size());
  EXPECT_EQ(pass(bytes, 1), whole);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    H2Relay relay;
    relay.receive(std::string_view(bytes).substr(0, cut));
    relay.receive(std::string_view(bytes).substr(cut));
    EXPECT_EQ(relay.passed(), whole) << "cut at " << cut;
  }
  return whole;
}

TEST(H2RequestFilter, HoldsABlockToTheLimitOfItsOwner) {
  // 9 bytes of each frame's header count, so that frames of nothing come to an end, too.
  const std::string endless = h2_headers(3, "", 0) + h2_frame(H2FrameType::continuation, 0, 3, "") +
                              h2_frame(H2FrameType::continuation, 0, 3, "");
  for (const std::size_t limit : {26U, 27U}) {
    H2RequestFilter filter(HpackDecoder(), 1, {}, limit);
    std::size_t position = 0;
    auto kind = H2RequestFilter::Step::Kind::nothing;
    while (position < endless.size() && kind == H2RequestFilter::Step::Kind::nothing) {
      const auto step = filter.next(as_bytes(endless).subspan(position));
      position += step.consumed;
      kind = step.kind;
    }
    const bool is_too_large = limit < endless.size();
    EXPECT_EQ(kind == H2RequestFilter::Step::Kind::malformed, is_too_large);
    EXPECT_EQ(filter.is_too_large(), is_too_large);
  }
}

/// The header blocks that a server sees, which has seen the first request: "STREAM name=value,…" each, with
/// "." behind the ones that end their stream, and other frames as "STREAM type".
std::vector<std::string> seen_by_server(std::string_view bytes) {
  std::vector<std::string> seen;
  HpackDecoder decoder;
  HeaderFields fields;
  Cursor cursor(as_bytes(bytes));
  const auto read_frame = [&] {
    const auto header = H2FrameHeader::read(cursor);
    const auto payload = header ? cursor.read_bytes(header->payload_length) : std::nullopt;
    EXPECT_TRUE(payload);
    return std::pair(*header, *payload);
  };
  while (!cursor.at_end()) {
    auto [header, payload] = read_frame();
    std::string text = std::to_string(header.stream);
    if (header.type != H2FrameType::headers) {
      seen.push_back(text + " " + std::to_string(static_cast<int>(header.type)));
      continue;
    }
    const bool ends = header.has(end_stream);
    ByteView fragment = *h2_header_fragment(header, payload);
    fields.clear();
    while (!header.has(end_headers)) {
      EXPECT_TRUE(decoder.decode(fragment, false, fields));
      std::tie(header, payload) = read_frame();
      EXPECT_EQ(header.type, H2FrameType::continuation);
      fragment = payload;
    }
    EXPECT_TRUE(decoder.decode(fragment, true, fields));
    for (std::size_t i = 0; i < fields.count(); ++i) {
      text += (i == 0 ? " " : ",") + std::string(fields[i].name) + "=" + std::string(fields[i].value);
    }
    seen.push_back(text + (ends ? "." : ""));
  }
  return seen;
}

const std::string first_block = h2_first_request().substr(h2_start().size());
const std::string here = ":method=GET,:scheme=http,:path=/,:authority=here.example";

TEST(H2RequestFilter, PassesWhatIsForTheServerAsItCame) {
  const std::string block = hpack_block(get_fields("here.example"), Indexing::incremental);
  const std::string bytes =
      h2_frame(H2FrameType::settings, H2FrameHeader::ack, 0, "") +
      h2_headers(3, std::string(1, '\3') + block + "pad", end_headers | H2FrameHeader::padded) +
      h2_frame(H2FrameType::data, 0, 3, "some data") + h2_frame(H2FrameType::data, 0, 3, "") +
      h2_headers(3, hpack_field("grpc-status", "0")) +
      h2_headers(5, std::string(4, '\0') + "\x10" + block.substr(0, 9),
                 end_stream | H2FrameHeader::has_priority) +
      h2_frame(H2FrameType::continuation, end_headers, 5, block.substr(9)) +
      h2_frame(H2FrameType::window_update, 0, 5, std::string("\0\0\0\1", 4)) +
      h2_frame(H2FrameType::rst_stream, 0, 5, std::string("\0\0\0\x8", 4)) +
      h2_frame(static_cast<H2FrameType>(0xbe), 0xff, 77, "grease") +
      h2_frame(H2FrameType::goaway, 0, 0, std::string(8, '\0'));
  const Passed passed = pass(bytes);
  EXPECT_EQ(passed.to_server, bytes);
  EXPECT_EQ(passed.to_client, "");
  EXPECT_THAT(passed.requests, ElementsAre("3 here.example", "5 here.example"));
  EXPECT_FALSE(passed.is_malformed);
}

TEST(H2RequestFilter, PassesTheReservedBitAsItCame) {
  std::string bytes = h2_headers(3, hpack_block(get_fields("here.example")));
  bytes[5] = '\x80';
  const Passed passed = pass(bytes);
  EXPECT_EQ(passed.to_server, bytes);
  EXPECT_THAT(passed.requests, ElementsAre("3 here.example"));
}

TEST(H2RequestFilter, PassesLongDataInItsPieces) {
  const std::string data = h2_frame(H2FrameType::data, 0, 1, std::string(100000, 'd'));
  EXPECT_EQ(pass(data, 7000).to_server, data);
}

TEST(H2RequestFilter, AnswersARequestForAnotherBackendOnItsStream) {
  const Passed passed = pass(h2_headers(3, hpack_block(get_fields("there.example"))));
  EXPECT_EQ(passed.to_server, "");
  EXPECT_EQ(passed.to_client, h2_headers(3,
                                         "\x08\x03"
                                         "421"));
  EXPECT_THAT(passed.requests, ElementsAre("3 there.example"));
}

TEST(H2RequestFilter, TellsAClientWhoseRequestGoesOnToStop) {
  const Passed passed = pass(h2_headers(3, hpack_block(get_fields("there.example")), end_headers));
  EXPECT_EQ(passed.to_client, h2_headers(3,
                                         "\x08\x03"
                                         "421") +
                                  h2_frame(H2FrameType::rst_stream, 0, 3, std::string(4, '\0')));
}

TEST(H2RequestFilter, KeepsEveryFrameOfARefusedStreamFromTheServer) {
  const std::string window = std::string("\0\0\0\1", 4);
  const Passed passed =
      pass(h2_headers(3, hpack_block(get_fields("there.example")), end_headers) +
           h2_frame(H2FrameType::window_update, 0, 3, window) + h2_frame(H2FrameType::data, 0, 3, "12345") +
           h2_frame(H2FrameType::data, 0, 1, "for the server") + h2_frame(H2FrameType::data, 0, 3, "") +
           h2_frame(H2FrameType::priority, 0, 3, std::string(5, '\0')) +
           h2_headers(3, hpack_field("trailer", "x")) + h2_frame(H2FrameType::window_update, 0, 3, window) +
           h2_frame(H2FrameType::rst_stream, 0, 3, window) + h2_frame(H2FrameType::ping, 0, 0, "12345678"));
  EXPECT_EQ(passed.to_server, h2_frame(H2FrameType::data, 0, 1, "for the server") +
                                  h2_frame(H2FrameType::ping, 0, 0, "12345678"));
  // The window of the connection, which the five bytes had taken, is given back.
  EXPECT_TRUE(
      passed.to_client.ends_with(h2_frame(H2FrameType::window_update, 0, 0, std::string("\0\0\0\5", 4))));
  EXPECT_FALSE(passed.is_malformed);
}

/// The server's decoder has not seen the refused block, whose entries the client uses later.
TEST(H2RequestFilter, TheServerUnderstandsWhatFollowsARefusal) {
  const std::string there = hpack_block(get_fields("there.example"), Indexing::incremental) +
                            hpack_field("x-new", "entry", Indexing::incremental);
  // The first request's :authority is the sixth entry by now, behind five of the refused one.
  const std::string again = "\x82\x86\x84\xc3\xbe" + hpack_field("secret", "s", Indexing::never);
  const Passed passed = pass(h2_headers(3, there) + h2_headers(5, again, end_headers) +
                             h2_frame(H2FrameType::data, 0, 5, "body") + h2_headers(5, "\xbe") +
                             h2_headers(7, there) + h2_headers(9, "\x82\x86\x84\xc8\xbe"));
  EXPECT_THAT(passed.requests,
              ElementsAre("3 there.example", "5 here.example", "7 there.example", "9 here.example"));
  EXPECT_FALSE(passed.is_malformed);
  EXPECT_THAT(seen_by_server(first_block + passed.to_server),
              ElementsAre("1 " + here + ".", "5 " + here + ",x-new=entry,secret=s", "5 0", "5 x-new=entry.",
                          "9 " + here + ",x-new=entry."));
}

TEST(H2RequestFilter, SplitsALongBlockThatItEncodesAgain) {
  H2Fields fields = get_fields("here.example");
  fields.emplace_back("x", std::string(40000, '\xfe'));
  const std::string block = hpack_block(fields);
  std::string request = h2_headers(5, block.substr(0, 16000), end_stream);
  request += h2_frame(H2FrameType::continuation, 0, 5, block.substr(16000, 16000));
  request += h2_frame(H2FrameType::continuation, end_headers, 5, block.substr(32000));
  const Passed passed = pass(h2_headers(3, hpack_block(get_fields("there.example"))) + request, 1000);
  EXPECT_THAT(seen_by_server(first_block + passed.to_server),
              ElementsAre("1 " + here + ".", "5 " + here + ",x=" + std::string(40000, '\xfe') + "."));
  Cursor cursor(as_bytes(passed.to_server));
  while (!cursor.at_end()) {
    const auto header = H2FrameHeader::read(cursor);
    ASSERT_TRUE(header);
    EXPECT_LE(header->payload_length, h2_default_max_frame_size);
    ASSERT_TRUE(cursor.read_bytes(header->payload_length));
  }
}

TEST(H2RequestFilter, FollowsTheServersTableSizeFromItsAcknowledgementOn) {
  const std::string larger = "\x3f\xe1\x3f" + hpack_block(get_fields("here.example"));  // 8192
  const std::string acknowledgement = h2_frame(H2FrameType::settings, H2FrameHeader::ack, 0, "");
  H2Relay relay;
  EXPECT_TRUE(relay.filter().server_sent_settings(std::nullopt));
  EXPECT_TRUE(relay.filter().server_sent_settings(8192));
  relay.receive(acknowledgement + acknowledgement + h2_headers(3, larger));
  EXPECT_FALSE(relay.passed().is_malformed);

  H2Relay early;
  EXPECT_TRUE(early.filter().server_sent_settings(std::nullopt));
  EXPECT_TRUE(early.filter().server_sent_settings(8192));
  early.receive(acknowledgement + h2_headers(3, larger) + acknowledgement);
  EXPECT_TRUE(early.passed().is_malformed);
}

TEST(H2RequestFilter, KeepsTheAcknowledgementOfForeignSettingsFromTheServer) {
  const std::string acknowledgement = h2_frame(H2FrameType::settings, H2FrameHeader::ack, 0, "");
  const std::string ping = h2_frame(H2FrameType::ping, 0, 0, "12345678");
  const std::string larger = "\x3f\xe1\x3f" + hpack_block(get_fields("here.example"));  // 8192
  H2Relay relay;
  relay.filter().own_settings_sent();
  EXPECT_TRUE(relay.filter().server_sent_settings(8192));
  relay.receive(h2_settings() + acknowledgement + ping);
  EXPECT_EQ(relay.passed().to_server, h2_settings() + ping);
  relay.receive(acknowledgement + h2_headers(3, larger) + acknowledgement);
  EXPECT_EQ(relay.passed().to_server,
            h2_settings() + ping + acknowledgement + h2_headers(3, larger) + acknowledgement);
}

TEST(H2RequestFilter, BoundsTheSettingsThatNobodyAcknowledges) {
  H2Relay relay;
  for (std::size_t i = 0; i < H2RequestFilter::max_unacknowledged_settings; ++i) {
    ASSERT_TRUE(relay.filter().server_sent_settings(std::nullopt));
  }
  EXPECT_FALSE(relay.filter().server_sent_settings(std::nullopt));
  relay.receive(h2_frame(H2FrameType::settings, H2FrameHeader::ack, 0, ""));
  EXPECT_TRUE(relay.filter().server_sent_settings(std::nullopt));
}

TEST(H2RequestFilter, EndsAConnectionThatCannotBeUnderstood) {
  const std::string block = hpack_block(get_fields("here.example"));
  std::string flood = h2_headers(3, block, end_stream);
  for (int i = 0; i < 7300; ++i) flood += h2_frame(H2FrameType::continuation, 0, 3, "");
  for (const std::string& bytes : std::vector<std::string>{
           h2_headers(2, block),
           h2_headers(0, block),
           h2_frame(H2FrameType::continuation, end_headers, 3, block),
           h2_frame(H2FrameType::push_promise, end_headers, 3, block),
           h2_headers(3, block, end_stream) + h2_frame(H2FrameType::data, 0, 1, "x"),
           h2_headers(3, block, end_stream) + h2_frame(H2FrameType::continuation, end_headers, 5, ""),
           h2_headers(3, "\x80"),
           h2_headers(3, block + "\x7f"),
           h2_headers(3, hpack_block({{":method", "GET"}})),
           h2_headers(3, hpack_block(get_fields("a b"))),
           h2_headers(1, block),
           h2_headers(1, hpack_field("X", "y")),
           h2_frame(H2FrameType::headers, end_headers, 3, std::string(70000, '\0')),
           flood,
       }) {
    SCOPED_TRACE(::testing::PrintToString(bytes.substr(0, 100)));
    const Passed passed = pass(bytes, bytes.size());
    EXPECT_TRUE(passed.is_malformed);
    EXPECT_THAT(passed.requests, IsEmpty());
    EXPECT_EQ(passed.to_server, "");
    EXPECT_EQ(pass(bytes, 1), passed);
  }
}

TEST(H2RequestFilter, EndsAConnectionThatUsesAStreamWhichOnlyTheRefusedOneHasClosed) {
  const std::string refused = h2_headers(11, hpack_block(get_fields("there.example")));
  const std::string trailers = hpack_field("trailer", "x");
  const Passed passed = pass(refused + h2_headers(3, trailers));
  EXPECT_TRUE(passed.is_malformed);
  EXPECT_EQ(passed.to_server, "");
  // The server itself knows of what was skipped before a request that it has seen.
  EXPECT_FALSE(pass(refused + h2_headers(13, hpack_block(get_fields("here.example")), end_headers) +
                    h2_headers(3, trailers) + h2_headers(13, trailers))
                   .is_malformed);
}

TEST(H2RequestFilter, EndsAConnectionThatKeepsAskingForWhatIsNotHere) {
  const std::string block = hpack_block(get_fields("there.example"));
  H2Relay relay;
  std::uint32_t stream = 1;
  for (std::size_t i = 0; i < H2RequestFilter::max_refused_streams; ++i)
    relay.receive(h2_headers(stream += 2, block));
  EXPECT_FALSE(relay.passed().is_malformed);
  EXPECT_EQ(relay.passed().requests.size(), H2RequestFilter::max_refused_streams);
  relay.receive(h2_headers(stream + 2, block));
  EXPECT_TRUE(relay.passed().is_malformed);
}

/// Where, byte by byte, frames may be put between the server's.
std::string insertable(std::string_view bytes) {
  H2ResponseFrames frames;
  std::string places = frames.may_insert() ? "+" : "-";
  for (const std::uint8_t& byte : as_bytes(bytes)) {
    EXPECT_EQ(frames.advance({&byte, 1}), 1U);
    places += frames.may_insert() ? '+' : '-';
  }
  return places;
}

TEST(H2ResponseFrames, InsertsBetweenFramesAndNotInAHeaderBlock) {
  const std::string bytes = h2_settings() + h2_frame(H2FrameType::ping, 0, 0, "12345678") +
                            h2_headers(1, "abc", 0) + h2_frame(H2FrameType::continuation, 0, 1, "") +
                            h2_frame(H2FrameType::continuation, end_headers, 1, "d") +
                            h2_frame(H2FrameType::data, 0, 1, "xy") + h2_headers(1, "", end_headers);
  const auto closed = [](std::size_t count) { return std::string(count, '-'); };
  EXPECT_EQ(insertable(bytes), closed(9) + "+" + closed(16) + "+" + closed(12 + 9 + 9) + "+" + closed(10) +
                                   "+" + closed(8) + "+");
}

TEST(H2ResponseFrames, StopsAtEachFrameAndTellsOfSettings) {
  const std::string settings = h2_settings(std::string("\0\3\0\0\0\x64\0\1\0\0\x20\0", 12));
  const std::string plain = h2_settings(std::string("\0\3\0\0\0\x64", 6));
  const std::string acknowledgement = h2_frame(H2FrameType::settings, H2FrameHeader::ack, 0, "");
  const std::string data = h2_frame(H2FrameType::data, 0, 1, std::string(300, 'd'));
  const std::string bytes = settings + plain + acknowledgement + data;
  for (const std::size_t piece : {bytes.size(), std::size_t{1}, std::size_t{5}}) {
    H2ResponseFrames frames;
    std::vector<std::string> told;
    for (std::size_t i = 0; i < bytes.size();) {
      i += frames.advance(as_bytes(bytes).subspan(i, std::min(piece, bytes.size() - i)));
      if (frames.ended_settings()) {
        EXPECT_TRUE(frames.may_insert());
        told.push_back(frames.header_table_size() ? std::to_string(*frames.header_table_size()) : "none");
      }
    }
    EXPECT_TRUE(frames.may_insert());
    EXPECT_THAT(told, ElementsAre("8192", "none"));
  }
  H2ResponseFrames frames;
  EXPECT_EQ(frames.advance(as_bytes(bytes)), settings.size());
}

}  // namespace
}  // namespace portshare::test
