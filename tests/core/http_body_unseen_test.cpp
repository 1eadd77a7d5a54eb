// Bodies of which a reader is not shown everything.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "core/byte_view.h"
#include "core/http_body.h"
#include "tests/core/body_reading.h"

namespace portshare::test {
namespace {

using Progress = HttpBody::Progress;

/// Reads `text` with all of its unseen bytes passed without being shown, in pieces of at most `unseen_piece`,
/// and the rest in pieces of `shown_piece`.
BodyAnswer read_unseen(HttpBody body, const std::string& text, std::size_t unseen_piece,
                       std::size_t shown_piece) {
  BodyAnswer answer;
  std::size_t shown = shown_piece;  // grows as long as more is asked for
  while (answer.count < text.size() && answer.progress == Progress::more) {
    const std::size_t rest = text.size() - answer.count;
    const auto allowance = static_cast<std::size_t>(std::min<std::uint64_t>(body.unseen_allowance(), rest));
    if (const std::size_t unseen = std::min(allowance, unseen_piece); unseen > 0) {
      body.pass_unseen(unseen);
      answer.count += unseen;
      continue;
    }
    const std::size_t length = std::min(shown, rest);
    const auto consumed = body.consume(as_bytes(text).subspan(answer.count, length));
    answer = {answer.count + consumed.count, consumed.progress};
    if (consumed.count == 0 && length == rest) break;
    shown = consumed.count == 0 ? shown + 1 : shown_piece;
  }
  return answer;
}

/// Whatever may go unseen, in any pieces, the answer is that of a reader who is shown all of it.
void expect_same_answers(const HttpBody& body, const std::string& text) {
  const BodyAnswer expected = read_body(body, text);
  for (std::size_t unseen = 0; unseen <= text.size(); ++unseen) {
    for (const std::size_t shown : {std::size_t{1}, std::size_t{3}, text.size()})
      ASSERT_EQ(read_unseen(body, text, unseen, shown), expected)
          << "pieces of " << unseen << " and " << shown;
  }
}

TEST(UnseenBody, TheLastByteOfACountedBodyIsAlwaysShown) {
  for (const std::size_t length : {std::size_t{1}, std::size_t{2}, std::size_t{100}}) {
    const HttpBody body = HttpBody::with_length(length);
    EXPECT_EQ(body.unseen_allowance(), length - 1);
    expect_same_answers(body, std::string(length, 'b') + "NEXT");
    for (std::size_t cut = 0; cut < length; ++cut) {
      HttpBody cut_body = body;
      ASSERT_EQ(cut_body.consume(as_bytes(std::string(cut, 'b'))).progress, Progress::more);
      ASSERT_EQ(cut_body.unseen_allowance(), length - cut - 1);
      cut_body.pass_unseen(length - cut - 1);
      ASSERT_EQ(cut_body.unseen_allowance(), 0U);
      ASSERT_FALSE(cut_body.is_complete()) << "who is shown nothing learns of no end";
      const auto consumed = cut_body.consume(as_bytes("bNEXT"));
      ASSERT_EQ(consumed.count, 1U);
      ASSERT_EQ(consumed.progress, Progress::complete);
      ASSERT_EQ(cut_body.unseen_allowance(), 0U);
    }
  }
}

TEST(UnseenBody, AnEmptyOneShowsAll) {
  EXPECT_EQ(HttpBody::none().unseen_allowance(), 0U);
  EXPECT_EQ(HttpBody::with_length(0).unseen_allowance(), 0U);
}

TEST(UnseenBody, ABodyOfAnyLengthIsCountedThrough) {
  HttpBody body = HttpBody::with_length(UINT64_MAX);
  EXPECT_EQ(body.unseen_allowance(), UINT64_MAX - 1);
  body.pass_unseen(UINT64_MAX - 1);
  EXPECT_EQ(body.consume(as_bytes("xy")).count, 1U);
  EXPECT_TRUE(body.is_complete());
}

TEST(UnseenBody, UntilCloseNothingHasToBeShown) {
  HttpBody body = HttpBody::until_close();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(body.unseen_allowance(), UINT64_MAX);
    body.pass_unseen(UINT64_MAX);
    EXPECT_TRUE(body.may_close());
    EXPECT_EQ(body.consume(as_bytes("more")).count, 4U);
  }
}

TEST(UnseenBody, OnlyTheDataOfAChunkGoesUnseen) {
  const std::string data(0x1f, '\n');  // would be line ends, if they were looked at
  const std::string text = "1f;extension\r\n" + data + "\r\n1\r\nx\r\n2\r\nyz\r\n0\r\nTrailer: t\r\n\r\nNEXT";
  expect_same_answers(HttpBody::chunked(), text);
  // Byte by byte, what may go unseen is what is left of a chunk's data but its last byte.
  HttpBody body = HttpBody::chunked();
  std::string line;
  std::size_t allowed = 0;
  for (const char byte : text) {
    line += byte;
    const auto consumed = body.consume(as_bytes(line));
    line.erase(0, consumed.count);
    if (consumed.progress != Progress::more) break;
    if (line.empty()) allowed += body.unseen_allowance() > 0;
  }
  EXPECT_TRUE(body.is_complete());
  EXPECT_EQ(allowed, (data.size() - 1) + 1) << "none in the chunk of one byte, one in that of two";
}

TEST(UnseenBody, AMalformedOneAllowsNothing) {
  for (const std::string text : {"x", "3\r\nabcd\r\n", "3\r\nabc\n", "1\r\na\r\nz\r\n"}) {
    expect_same_answers(HttpBody::chunked(), text);
    HttpBody body = HttpBody::chunked();
    ASSERT_EQ(body.consume(as_bytes(text)).progress, Progress::malformed) << text;
    EXPECT_EQ(body.unseen_allowance(), 0U);
  }
}

}  // namespace
}  // namespace portshare::test
