#include "core/http_response_head.h"

#include <gtest/gtest.h>

#include "core/http_head.h"
#include "tests/core/http_response_head_vectors.h"
#include "tests/core/split_reading.h"

namespace portshare::test {
namespace {

using ResponseReading = SplitReading<ResponseAnswer>;

ResponseAnswer expected_answer(const ResponseVector& vector) {
  if (vector.verdict != Verdict::recognised) return {.verdict = vector.verdict};
  return {vector.verdict,
          {.status = vector.status,
           .minor_version = vector.minor_version,
           .is_interim = vector.is_interim,
           .body = vector.body,
           .content_length = vector.content_length,
           .keep_alive = vector.keep_alive,
           .length = vector.bytes.size() - vector.behind}};
}

ResponseAnswer read_vector(const ResponseVector& vector, std::size_t length = std::string::npos) {
  return read_whole<ResponseAnswer>(as_bytes(std::string_view(vector.bytes).substr(0, length)),
                                    HttpResponseHeadReader(vector.context));
}

std::string shown(const std::string& bytes) {
  return ::testing::PrintToString(bytes.substr(0, 200));
}

TEST(HttpResponseHead, AnswersEveryVector) {
  for (const ResponseVector& vector : response_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    const ResponseAnswer answer = read_vector(vector);
    const ResponseAnswer expected = expected_answer(vector);
    EXPECT_EQ(answer.verdict, expected.verdict);
    EXPECT_EQ(answer.head.status, expected.head.status);
    EXPECT_EQ(answer.head.body, expected.head.body);
    EXPECT_EQ(answer.head.keep_alive, expected.head.keep_alive);
    EXPECT_EQ(answer.head.length, expected.head.length);
    EXPECT_TRUE(answer == expected);
  }
}

TEST(HttpResponseHead, AnswersTheSameForEveryCutInTwo) {
  for (const ResponseVector& vector : response_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    for (const std::size_t cut : cuts(vector.bytes.size())) {
      ResponseReading reading{HttpResponseHeadReader(vector.context)};
      reading.show(as_bytes(vector.bytes).first(cut));
      ASSERT_TRUE(reading.show(as_bytes(vector.bytes)) == expected_answer(vector)) << "cut at " << cut;
    }
  }
}

TEST(HttpResponseHead, AnswersByteByByteWhatEachPrefixSays) {
  for (const ResponseVector& vector : response_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    ResponseReading growing{HttpResponseHeadReader(vector.context)};
    for (std::size_t length = 0; length <= vector.bytes.size(); ++length) {
      const ResponseAnswer before = growing.answer();
      const ResponseAnswer& answer = growing.show(as_bytes(vector.bytes).first(length));
      ASSERT_TRUE(answer == read_vector(vector, length)) << "at " << length;
      if (before.verdict != Verdict::need_more) {
        ASSERT_TRUE(answer == before) << "at " << length;
      }
    }
  }
}

TEST(HttpResponseHead, RefusesALineAsSoonAsItIsComplete) {
  const std::string_view heads[] = {
      "S",
      "HTTP/2",
      "HTTP/1.1 99 x\r\n",
      "HTTP/1.1 200 OK\r\nX: y\n",
      "HTTP/1.1 200 OK\nX: y\r\n",
      "HTTP/1.1 200 OK\r\nX\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: x\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
      "HTTP/1.1 200 OK\r\nConnection: close\r\n x\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
      "HTTP/1.1 101 x\r\n\r\n",
  };
  for (const std::string_view head : heads) {
    SCOPED_TRACE(::testing::PrintToString(head));
    EXPECT_EQ(read_whole<ResponseAnswer>(as_bytes(head.substr(0, head.size() - 1))).verdict,
              Verdict::need_more);
    EXPECT_EQ(read_whole<ResponseAnswer>(as_bytes(head)).verdict, Verdict::malformed);
  }
}

TEST(HttpResponseHead, ReadsALongHeadByteByByte) {
  std::string text = "HTTP/1.1 200 OK\r\nX: " + std::string(30000, 'x') + "\r\n";
  for (int i = 0; i < 1000; ++i) text += "X-Field: some words of a value\r\n";
  text += "\r\n";
  HttpResponseHeadReader reader;
  HttpResponseHead head;
  for (std::size_t length = 0; length < text.size(); ++length)
    ASSERT_EQ(reader.read(as_bytes(text).first(length), head), Verdict::need_more);
  ASSERT_EQ(reader.read(as_bytes(text), head), Verdict::recognised);
  EXPECT_EQ(head.length, text.size());
}

TEST(HttpResponseContext, IsWhatTheRequestAsksFor) {
  const auto context_of = [](std::string_view text) {
    HttpHeadReader reader;
    HttpHead head;
    EXPECT_EQ(reader.read(as_bytes(text), head), Verdict::recognised);
    const HttpResponseContext context = HttpResponseContext::of(head);
    return std::array{context.to_head, context.to_connect, context.to_upgrade};
  };
  EXPECT_EQ(context_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), (std::array{false, false, false}));
  EXPECT_EQ(context_of("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), (std::array{true, false, false}));
  EXPECT_EQ(context_of("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), (std::array{false, true, false}));
  EXPECT_EQ(context_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
            (std::array{false, false, true}));
  EXPECT_EQ(context_of("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"),
            (std::array{false, false, false}));
}

}  // namespace
}  // namespace portshare::test
