#include "core/http_body.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/http_head.h"
#include "core/http_response_head.h"
#include "core/random.h"
#include "tests/core/body_reading.h"
#include "tests/core/http_body_vectors.h"
#include "tests/core/split_reading.h"

namespace portshare::test {
namespace {

using Progress = HttpBody::Progress;

std::string shown(const std::string& bytes) {
  return ::testing::PrintToString(bytes.substr(0, 200));
}

TEST(ChunkedBody, AnswersEveryVector) {
  for (const ChunkedVector& vector : chunked_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    EXPECT_EQ(read_body(HttpBody::chunked(), vector.bytes), (BodyAnswer{vector.count, vector.progress}));
  }
}

TEST(ChunkedBody, AnswersTheSameForEveryCutInTwo) {
  for (const ChunkedVector& vector : chunked_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    for (const std::size_t cut : cuts(vector.bytes.size())) {
      BodyReading reading(HttpBody::chunked());
      const BodyAnswer before = reading.arrive(vector.bytes.substr(0, cut));
      ASSERT_LE(before.count, vector.count) << "cut at " << cut;
      const BodyAnswer after = reading.arrive(vector.bytes.substr(cut));
      ASSERT_EQ(after, (BodyAnswer{vector.count, vector.progress})) << "cut at " << cut;
    }
  }
}

TEST(ChunkedBody, AnswersTheSameByteByByteAndKeepsItsAnswer) {
  for (const ChunkedVector& vector : chunked_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    BodyReading reading(HttpBody::chunked());
    for (const char byte : vector.bytes) {
      const BodyAnswer before = reading.answer();
      const BodyAnswer after = reading.arrive({&byte, 1});
      if (before.progress == Progress::more) {
        ASSERT_GE(after.count, before.count);
      } else {
        ASSERT_EQ(after, before);
      }
      if (after.progress == Progress::more) {
        ASSERT_LT(reading.uncounted(), HttpBody::max_line_length);
      }
    }
    ASSERT_EQ(reading.answer(), (BodyAnswer{vector.count, vector.progress}));
    EXPECT_EQ(reading.body().is_complete(), vector.progress == Progress::complete);
    EXPECT_EQ(reading.body().may_close(), vector.progress == Progress::complete);
  }
}

TEST(ChunkedBody, CountsDataAtOnceAndLinesWhenTheyAreComplete) {
  BodyReading reading(HttpBody::chunked());
  EXPECT_EQ(reading.arrive("5;a"), (BodyAnswer{0, Progress::more}));
  EXPECT_EQ(reading.arrive("\r\nhel"), (BodyAnswer{8, Progress::more}));
  EXPECT_EQ(reading.arrive("lo\r"), (BodyAnswer{10, Progress::more}));
  EXPECT_EQ(reading.arrive("\n0\r\nX:"), (BodyAnswer{15, Progress::more}));
  EXPECT_EQ(reading.arrive(" y\r\n\r\nnext"), (BodyAnswer{23, Progress::complete}));
  EXPECT_EQ(reading.uncounted(), 4U);
}

/// A legal chunked body with, now and then, a line that is made up of what fools parsers.
std::string random_chunked(Random& random) {
  constexpr std::string_view extensions[] = {"", "", "", ";a", ";a=b", ";a=\"b;c\"", ";", " ;a", ";\x01"};
  constexpr std::string_view trailers[] = {"X: y\r\n", "X-Sum:1\r\n", "Host: b\r\n", " folded\r\n", "X\r\n"};
  constexpr std::string_view digits = "0123456789abcdefABCDEF";
  std::string text;
  for (auto chunks = random.below(5); chunks > 0; --chunks) {
    const auto size = random.chance(1, 8) ? random.below(3000) : 1 + random.below(20);
    std::string number;
    for (auto rest = size; rest > 0; rest /= 16) {
      number.insert(number.begin(), digits[rest % 16 + (random.chance(1, 2) && rest % 16 > 9 ? 6 : 0)]);
    }
    if (random.chance(1, 8)) number.insert(0, random.below(18), '0');
    text += number;
    text += extensions[random.below(random.chance(1, 8) ? std::size(extensions) : 6)];
    text += "\r\n";
    for (std::uint64_t i = 0; i < size; ++i) text += "\r\n05;xX: "[random.below(9)];
    text += "\r\n";
  }
  text += random.chance(1, 8) ? "000\r\n" : "0\r\n";
  while (random.chance(1, 3)) text += trailers[random.below(random.chance(1, 4) ? std::size(trailers) : 2)];
  return text + "\r\n";
}

/// One byte changed, inserted or taken out.
void damage(Random& random, std::string& text) {
  constexpr std::string_view bytes("\r\n \t0159afFgxX;:,\"=+-\0\x7f\x80", 24);
  const std::size_t position = random.below(text.size());
  const char byte = bytes[random.below(bytes.size())];
  switch (random.below(3)) {
    case 0:
      text[position] = byte;
      break;
    case 1:
      text.insert(position, 1, byte);
      break;
    default:
      text.erase(position, 1);
      break;
  }
}

TEST(ChunkedBody, AgreesWithAPlainDecoderOverRandomStreams) {
  Random random(9112);
  std::size_t outcomes[3] = {};
  for (int round = 0; round < 20'000; ++round) {
    std::string text = random_chunked(random);
    while (!text.empty() && random.chance(1, 2)) damage(random, text);
    if (random.chance(1, 8)) text.resize(random.below(text.size() + 1));
    text += random.chance(1, 2) ? "GET / HTTP/1.1\r\n" : "";
    const BodyAnswer expected = ReferenceChunkedDecoder(text).decode();
    ++outcomes[static_cast<std::size_t>(expected.progress)];

    BodyReading reading(HttpBody::chunked());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = 1 + random.below(random.chance(1, 2) ? 4 : 400);
      reading.arrive(std::string_view(text).substr(at, size));
      at += size;
    }
    ASSERT_EQ(reading.answer(), expected) << ::testing::PrintToString(text);
  }
  for (const std::size_t outcome : outcomes) EXPECT_GT(outcome, 1'000U);
}

TEST(CountedBody, EndsWithItsLastByte) {
  BodyReading reading(HttpBody::with_length(5));
  EXPECT_EQ(reading.arrive(""), (BodyAnswer{0, Progress::more}));
  EXPECT_EQ(reading.arrive("he"), (BodyAnswer{2, Progress::more}));
  EXPECT_FALSE(reading.body().is_complete());
  EXPECT_FALSE(reading.body().may_close());
  EXPECT_EQ(reading.arrive("lloGET"), (BodyAnswer{5, Progress::complete}));
  EXPECT_TRUE(reading.body().may_close());
  EXPECT_EQ(reading.arrive(" / "), (BodyAnswer{5, Progress::complete}));
  EXPECT_EQ(reading.uncounted(), 6U);
}

TEST(CountedBody, CanBeAsLongAsAContentLengthCan) {
  BodyReading reading(HttpBody::with_length(std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(reading.arrive(std::string(100'000, 'x')), (BodyAnswer{100'000, Progress::more}));
}

TEST(EmptyBody, IsCompleteFromTheStart) {
  for (const HttpBody& body : {HttpBody::none(), HttpBody::with_length(0)}) {
    EXPECT_TRUE(body.is_complete());
    EXPECT_TRUE(body.may_close());
    EXPECT_EQ(read_body(body, ""), (BodyAnswer{0, Progress::complete}));
    EXPECT_EQ(read_body(body, "GET"), (BodyAnswer{0, Progress::complete}));
  }
}

TEST(BodyUntilClose, GoesOnAndMayCloseAtAnyTime) {
  BodyReading reading(HttpBody::until_close());
  EXPECT_TRUE(reading.body().may_close());
  EXPECT_EQ(reading.arrive("0\r\n\r\n"), (BodyAnswer{5, Progress::more}));
  EXPECT_EQ(reading.arrive("more"), (BodyAnswer{9, Progress::more}));
  EXPECT_FALSE(reading.body().is_complete());
  EXPECT_TRUE(reading.body().may_close());
}

TEST(HttpBody, IsWhatARequestHeadAnnounces) {
  HttpHead head;
  EXPECT_TRUE(HttpBody::of(head).is_complete());
  head.body = HttpHead::Body::content_length;
  head.content_length = 3;
  EXPECT_EQ(read_body(HttpBody::of(head), "abcd"), (BodyAnswer{3, Progress::complete}));
  head.body = HttpHead::Body::chunked;
  EXPECT_EQ(read_body(HttpBody::of(head), "0\r\n\r\nx"), (BodyAnswer{5, Progress::complete}));
}

TEST(HttpBody, IsWhatAResponseHeadAnnounces) {
  using Body = HttpResponseHead::Body;
  HttpResponseHead head;
  EXPECT_TRUE(HttpBody::of(head).is_complete());
  head.body = Body::content_length;
  head.content_length = 3;
  EXPECT_EQ(read_body(HttpBody::of(head), "abcd"), (BodyAnswer{3, Progress::complete}));
  head.body = Body::chunked;
  EXPECT_EQ(read_body(HttpBody::of(head), "0\r\n\r\nx"), (BodyAnswer{5, Progress::complete}));
  for (const Body body : {Body::until_close, Body::tunnel}) {
    head.body = body;
    EXPECT_EQ(read_body(HttpBody::of(head), "0\r\n\r\nx"), (BodyAnswer{6, Progress::more}));
  }
}

}  // namespace
}  // namespace portshare::test
