#include "core/h2_authority.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/core/h2_authority_vectors.h"
#include "tests/core/split_reading.h"

namespace portshare::test {
namespace {

using H2Reading = SplitReading<H2Answer>;

H2Answer read_text(std::string_view text) {
  return read_whole<H2Answer>(as_bytes(text));
}

std::string shown(const std::string& bytes) {
  return ::testing::PrintToString(bytes.substr(0, 300));
}

TEST(H2Authority, AnswersEveryVector) {
  for (const H2Vector& vector : h2_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    const H2Answer answer = read_text(vector.bytes);
    EXPECT_EQ(answer.verdict, vector.answer.verdict);
    EXPECT_EQ(answer.method, vector.answer.method);
    EXPECT_EQ(answer.authority, vector.answer.authority);
    EXPECT_EQ(answer.port, vector.answer.port);
    EXPECT_EQ(answer.stream, vector.answer.stream);
    EXPECT_EQ(answer.length, vector.answer.length);
  }
}

TEST(H2Authority, AnswersTheSameForEveryCutInTwo) {
  for (const H2Vector& vector : h2_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    const H2Answer whole = read_text(vector.bytes);
    for (const std::size_t cut : cuts(vector.bytes.size())) {
      H2Reading reading;
      reading.show(as_bytes(vector.bytes).first(cut));
      ASSERT_EQ(reading.show(as_bytes(vector.bytes)), whole) << "cut at " << cut;
    }
  }
}

TEST(H2Authority, AnswersByteByByteWhatEachPrefixSays) {
  for (const H2Vector& vector : h2_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    H2Reading growing;
    for (const std::size_t length : cuts(vector.bytes.size())) {
      const ByteView prefix = as_bytes(vector.bytes).first(length);
      const Verdict before = growing.answer().verdict;
      const H2Answer& answer = growing.show(prefix);
      ASSERT_EQ(answer, read_whole<H2Answer>(prefix)) << "at " << length;
      if (before != Verdict::need_more) {
        ASSERT_EQ(answer.verdict, before) << "at " << length;
      }
      if (vector.answer.verdict == Verdict::recognised && length < vector.answer.length) {
        ASSERT_EQ(answer.verdict, Verdict::need_more) << "at " << length;
      }
    }
  }
}

TEST(H2Authority, HandsOverTheDecoderWithItsTable) {
  const std::string first =
      h2_start() + h2_headers(1, hpack_block(get_fields("a.example"), Indexing::incremental));
  H2AuthorityReader reader;
  H2FirstRequest request;
  ASSERT_EQ(reader.read(as_bytes(first), request), Verdict::recognised);
  HpackDecoder decoder = reader.take_decoder();
  HeaderFields fields;
  ASSERT_TRUE(decoder.decode(as_bytes("\xbe"), true, fields));  // the entry added last
  ASSERT_EQ(fields.count(), 1U);
  EXPECT_EQ(fields[0].name, ":authority");
  EXPECT_EQ(fields[0].value, "a.example");
}

TEST(H2Authority, TellsHowFarAConnectionIs) {
  const std::string ack = h2_frame(H2FrameType::settings, H2FrameHeader::ack, 0, "");
  const std::string opening = h2_start() + h2_frame(H2FrameType::ping, 0, 0, "12345678") + ack;
  const std::string bytes = opening + h2_headers(5, hpack_block(get_fields("a.example")));
  constexpr std::size_t headers_begun = H2FrameHeader::length;
  for (std::size_t length = 1; length <= bytes.size(); ++length) {
    SCOPED_TRACE(length);
    H2AuthorityReader reader;
    H2FirstRequest request;
    const Verdict verdict = reader.read(as_bytes(bytes).first(length), request);
    const bool has_stream = length >= opening.size() + headers_begun;
    EXPECT_EQ(reader.has_preface(), length >= h2_preface.size());
    EXPECT_EQ(reader.awaits_settings(), length >= h2_start().size() && !has_stream);
    EXPECT_EQ(reader.stream(), has_stream ? 5U : 0U);
    EXPECT_FALSE(reader.is_too_large());
    if (verdict == Verdict::recognised) {
      EXPECT_EQ(request.settings_ack, opening.size() - ack.size());
      EXPECT_EQ(request.block_begin, opening.size());
      EXPECT_TRUE(request.ends_stream);
      EXPECT_EQ(reader.take_fields().count(), 4U);
    }
  }
}

TEST(H2Authority, TellsWhatIsTooLargeFromWhatIsBroken) {
  const auto is_too_large = [](const std::string& bytes) {
    H2AuthorityReader reader;
    H2FirstRequest request;
    EXPECT_EQ(reader.read(as_bytes(bytes), request), Verdict::malformed);
    return reader.is_too_large();
  };
  std::string many_frames = h2_start() + h2_headers(1, "", 0);
  for (int i = 0; i < 5; ++i)
    many_frames += h2_frame(H2FrameType::continuation, 0, 1, std::string(16384, '\x82'));
  EXPECT_TRUE(is_too_large(many_frames));
  // Short as it travels, and long when it is decoded: one field of 4000 bytes, twenty times.
  const std::string long_field = hpack_field("x", std::string(4000, 'x'), Indexing::incremental);
  EXPECT_TRUE(is_too_large(h2_start() + h2_headers(1, long_field + std::string(20, '\xbe'))));
  EXPECT_FALSE(is_too_large(h2_start() + h2_headers(1, "\xff\xff\xff\xff\xff\xff")));
  EXPECT_FALSE(is_too_large(h2_start() + h2_headers(1, hpack_block({{":method", "GET"}}))));
}

TEST(Hpack, EncodesWhatAnyDecoderReadsTheSame) {
  HeaderFields fields;
  ASSERT_TRUE(fields.add({":method", "GET"}));
  ASSERT_TRUE(fields.add({":path", "/some/path"}));
  ASSERT_TRUE(fields.add({"authorization", "secret", true}));
  ASSERT_TRUE(fields.add({"x", std::string(20000, '\xff')}));
  ASSERT_TRUE(fields.add({"empty", ""}));
  HpackEncoder encoder;
  HpackDecoder decoder;
  for (int i = 0; i < 3; ++i) {
    std::vector<std::uint8_t> block;
    encoder.encode(fields, {}, block);
    EXPECT_EQ(block.front(), 0x20);  // a table of size 0
    HeaderFields decoded;
    ASSERT_TRUE(decoder.decode(block, true, decoded));
    ASSERT_EQ(decoded.count(), fields.count());
    for (std::size_t f = 0; f < fields.count(); ++f) {
      EXPECT_EQ(decoded[f].name, fields[f].name);
      EXPECT_EQ(decoded[f].value, fields[f].value);
      EXPECT_EQ(decoded[f].never_indexed, fields[f].never_indexed);
    }
  }
}

TEST(Hpack, BoundsTheFields) {
  HeaderFields fields;
  EXPECT_FALSE(fields.add({"x", std::string(HeaderFields::max_size, 'v')}));
  EXPECT_TRUE(fields.add({"x", std::string(HeaderFields::max_size - 33, 'v')}));
  EXPECT_FALSE(fields.add({"", ""}));
  EXPECT_TRUE(fields.has_overflowed());
  fields.clear();
  EXPECT_FALSE(fields.has_overflowed());
  EXPECT_EQ(fields.count(), 0U);
  EXPECT_TRUE(fields.add({"", ""}));
}

}  // namespace
}  // namespace portshare::test
