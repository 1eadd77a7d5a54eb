#include "core/http_head.h"

#include <gtest/gtest.h>

#include "tests/core/http_head_vectors.h"
#include "tests/core/split_reading.h"

namespace portshare::test {
namespace {

using HttpReading = SplitReading<HttpAnswer>;

HttpAnswer read_text(std::string_view text) {
  return read_whole<HttpAnswer>(as_bytes(text));
}

HttpAnswer expected_answer(const HttpVector& vector) {
  if (vector.verdict != Verdict::recognised) {
    HttpAnswer answer;
    answer.verdict = vector.verdict;
    return answer;
  }
  return {vector.verdict,
          vector.method,
          vector.target,
          vector.minor_version,
          !vector.host.empty(),
          vector.host,
          vector.port,
          vector.body,
          vector.content_length,
          vector.keep_alive,
          vector.upgrade,
          vector.expects_continue,
          vector.bytes.size() - vector.behind,
          vector.upgrade_to_http2};
}

/// The vector's bytes for a message, long ones cut.
std::string shown(const std::string& bytes) {
  return ::testing::PrintToString(bytes.substr(0, 200));
}

TEST(HttpHead, AnswersEveryVector) {
  for (const HttpVector& vector : http_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    EXPECT_EQ(read_text(vector.bytes), expected_answer(vector));
  }
}

TEST(HttpHead, ShowsWhereHttp2IsOffered) {
  const std::string offer = "upgrade:\twebsocket, h2c \r\n";
  const std::string bytes =
      get_with("Upgrade: h2c-17\r\n" + offer + "Connection: upgrade\r\nUpgrade: h2c\r\n") + "GET";
  HttpHeadReader reader;
  HttpHead head;
  ASSERT_EQ(reader.read(as_bytes(bytes), head), Verdict::recognised);
  EXPECT_TRUE(head.upgrade_to_http2);
  EXPECT_EQ(bytes.substr(head.http2_offer, head.http2_offer_length), offer);
}

TEST(HttpHead, AnswersTheSameForEveryCutInTwo) {
  for (const HttpVector& vector : http_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    const HttpAnswer whole = read_text(vector.bytes);
    for (const std::size_t cut : cuts(vector.bytes.size())) {
      HttpReading reading;
      reading.show(as_bytes(vector.bytes).first(cut));
      ASSERT_EQ(reading.show(as_bytes(vector.bytes)), whole) << "cut at " << cut;
    }
  }
}

TEST(HttpHead, AnswersByteByByteWhatEachPrefixSays) {
  for (const HttpVector& vector : http_vectors()) {
    SCOPED_TRACE(shown(vector.bytes));
    HttpReading growing;
    for (const std::size_t length : cuts(vector.bytes.size())) {
      const ByteView prefix = as_bytes(vector.bytes).first(length);
      const Verdict before = growing.answer().verdict;
      const HttpAnswer& answer = growing.show(prefix);
      ASSERT_EQ(answer, read_whole<HttpAnswer>(prefix)) << "at " << length;
      if (before != Verdict::need_more) {
        ASSERT_EQ(answer.verdict, before) << "at " << length;
      }
    }
  }
}

TEST(HttpHead, ReadsALongHeadByteByByte) {
  std::string text = "GET /" + std::string(30000, 'x') + " HTTP/1.1\r\nHost: a.example\r\n";
  for (int i = 0; i < 1000; ++i) text += "X-Field: some words of a value\r\n";
  text += "\r\n";
  HttpHeadReader reader;
  HttpHead head;
  for (std::size_t length = 0; length < text.size(); ++length)
    ASSERT_EQ(reader.read(as_bytes(text).first(length), head), Verdict::need_more);
  ASSERT_EQ(reader.read(as_bytes(text), head), Verdict::recognised);
  EXPECT_EQ(head.target.size(), 30001U);
  EXPECT_EQ(head.length, text.size());
}

TEST(HttpHead, SaysWhereFieldLinesCanBeInserted) {
  const std::string text = "\r\n" + get_with("X: y\r\n") + "the next request";
  HttpHeadReader reader;
  HttpHead head;
  ASSERT_EQ(reader.read(as_bytes(text), head), Verdict::recognised);
  EXPECT_EQ(text.substr(head.fields_end), "\r\nthe next request");

  std::string longer = text;
  longer.insert(head.fields_end, "Connection: close\r\n");
  const HttpAnswer answer = read_text(longer);
  EXPECT_EQ(answer.verdict, Verdict::recognised);
  EXPECT_FALSE(answer.keep_alive);
}

TEST(HttpHead, RefusesALineAsSoonAsItIsComplete) {
  const std::string_view heads[] = {
      "GET /\r",  // HTTP/0.9
      "GET / HTTP/2",
      "GET / HTTP/1.1\n",
      "GET /\x80",
      "PRI * HTTP/2",
      "BREW  HTTP/",
      "CONNECT / HTTP/1.1\r\n",
      "GET / HTTP/1.1\r\nX: y\n",
      "GET / HTTP/1.1\r\n X: y\r\n",
      "GET / HTTP/1.1\r\nHost: a b\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n",
      "GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n",
      "GET / HTTP/1.1\r\nContent-Length: x\r\n",
      "GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
      "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
      "GET / HTTP/1.1\r\n\r\n",
  };
  for (const std::string_view head : heads) {
    SCOPED_TRACE(::testing::PrintToString(head));
    EXPECT_EQ(read_text(head.substr(0, head.size() - 1)).verdict, Verdict::need_more);
    EXPECT_EQ(read_text(head).verdict, Verdict::malformed);
  }
}

TEST(HttpHead, LeavesOtherProtocolsAtTheFirstByteThatIsNoHttp) {
  for (const std::string_view opening : {"\x16", "SSH-2.0-x\r", "EHLO a.example\r", "\r\n\r\n\r", "QUIT\r"}) {
    SCOPED_TRACE(::testing::PrintToString(opening));
    EXPECT_EQ(read_text(opening.substr(0, opening.size() - 1)).verdict, Verdict::need_more);
    EXPECT_EQ(read_text(opening).verdict, Verdict::not_mine);
  }
}

TEST(HttpHead, KnowsEveryRegisteredMethod) {
  // A registered method claims a line that is no request line, another one does not.
  for (const std::string_view method : {"ACL",
                                        "BASELINE-CONTROL",
                                        "BIND",
                                        "CHECKIN",
                                        "CHECKOUT",
                                        "CONNECT",
                                        "COPY",
                                        "DELETE",
                                        "GET",
                                        "HEAD",
                                        "LABEL",
                                        "LINK",
                                        "LOCK",
                                        "MERGE",
                                        "MKACTIVITY",
                                        "MKCALENDAR",
                                        "MKCOL",
                                        "MOVE",
                                        "OPTIONS",
                                        "MKWORKSPACE",
                                        "MKREDIRECTREF",
                                        "ORDERPATCH",
                                        "PATCH",
                                        "POST",
                                        "PRI",
                                        "PROPFIND",
                                        "PROPPATCH",
                                        "PUT",
                                        "QUERY",
                                        "REBIND",
                                        "REPORT",
                                        "SEARCH",
                                        "TRACE",
                                        "UNBIND",
                                        "UNCHECKOUT",
                                        "UNLINK",
                                        "UNLOCK",
                                        "UPDATE",
                                        "UPDATEREDIRECTREF",
                                        "VERSION-CONTROL"}) {
    SCOPED_TRACE(method);
    const std::string line = std::string(method) + " /\r\n";
    EXPECT_EQ(read_text(line).verdict, Verdict::malformed);
    EXPECT_EQ(read_text("X" + line).verdict, Verdict::not_mine);
  }
}

TEST(HttpHead, KeepsItsAnswer) {
  HttpReading reading;
  EXPECT_EQ(reading.show(as_bytes("GET /\r")).verdict, Verdict::malformed);
  EXPECT_EQ(reading.show(as_bytes(get_with(""))).verdict, Verdict::malformed);

  HttpReading again;
  const HttpAnswer first = again.show(as_bytes(get_with("")));
  ASSERT_EQ(first.verdict, Verdict::recognised);
  EXPECT_EQ(again.show(as_bytes(get_with("") + "more")), first);
}

}  // namespace
}  // namespace portshare::test
