#include "core/tls_hello.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/core/split_reading.h"
#include "tests/core/tls_hello_vectors.h"

namespace portshare::test {
namespace {

using TlsReading = SplitReading<TlsAnswer>;

std::string alpn_list(const std::vector<std::string>& protocols) {
  std::string list;
  for (const std::string& protocol : protocols) {
    list += static_cast<char>(protocol.size());
    list += protocol;
  }
  return list;
}

TEST(TlsHello, AnswersEveryVector) {
  for (const TlsVector& vector : tls_vectors()) {
    SCOPED_TRACE(vector.name);
    const TlsAnswer answer = read_whole<TlsAnswer>(vector.bytes);
    EXPECT_EQ(answer.verdict, vector.verdict);
    if (answer.verdict != Verdict::recognised) continue;
    EXPECT_EQ(answer.server_name, vector.server_name);
    EXPECT_EQ(answer.alpn, alpn_list(vector.alpn));
    EXPECT_EQ(answer.has_encrypted_client_hello, vector.has_encrypted_client_hello);
    EXPECT_EQ(answer.length, vector.bytes.size() - vector.behind);
  }
}

TEST(TlsHello, AnswersTheSameForEveryCutInTwo) {
  for (const TlsVector& vector : tls_vectors()) {
    SCOPED_TRACE(vector.name);
    const TlsAnswer whole = read_whole<TlsAnswer>(vector.bytes);
    for (const std::size_t cut : cuts(vector.bytes.size())) {
      TlsReading reading;
      reading.show(ByteView(vector.bytes).first(cut));
      ASSERT_EQ(reading.show(vector.bytes), whole) << "cut at " << cut;
    }
  }
}

TEST(TlsHello, AnswersByteByByteWhatEachPrefixSays) {
  for (const TlsVector& vector : tls_vectors()) {
    SCOPED_TRACE(vector.name);
    TlsReading growing;
    for (const std::size_t length : cuts(vector.bytes.size())) {
      const ByteView prefix = ByteView(vector.bytes).first(length);
      const Verdict before = growing.answer().verdict;
      const TlsAnswer& answer = growing.show(prefix);
      ASSERT_EQ(answer, read_whole<TlsAnswer>(prefix)) << "at " << length;
      if (before != Verdict::need_more) {
        ASSERT_EQ(answer.verdict, before) << "at " << length;
      }
    }
    EXPECT_EQ(growing.answer(), read_whole<TlsAnswer>(vector.bytes));
  }
}

TEST(TlsHello, ReadsALongHelloByteByByte) {
  const Bytes hello = ClientHelloBuilder().add_padding(61000).add_server_name("big.example").build(1);
  TlsHelloReader reader;
  ClientHello result;
  for (std::size_t length = 0; length < hello.size(); ++length)
    ASSERT_EQ(reader.read(ByteView(hello).first(length), result), Verdict::need_more);
  ASSERT_EQ(reader.read(hello, result), Verdict::recognised);
  EXPECT_EQ(result.server_name, "big.example");
  EXPECT_EQ(result.length, hello.size());
}

TEST(TlsHello, NeverAnswersBeforeTheLastByteOfALegalHello) {
  for (const TlsVector& vector : tls_vectors()) {
    if (vector.verdict != Verdict::recognised) continue;
    SCOPED_TRACE(vector.name);
    const std::size_t length = vector.bytes.size() - vector.behind;
    for (const std::size_t cut : cuts(length - 1))
      ASSERT_EQ(read_whole<TlsAnswer>(ByteView(vector.bytes).first(cut)).verdict, Verdict::need_more) << cut;
  }
}

TEST(TlsHello, RefusesAtTheFirstByteThatIsWrong) {
  struct Case {
    Bytes bytes;
    Verdict verdict;
  };
  const Case cases[] = {
      {{'G'}, Verdict::not_mine},
      {{0x15}, Verdict::not_mine},
      {{0x16, 2}, Verdict::malformed},
      {{0x80, 0, 1}, Verdict::malformed},
      {{0x80, 0, 4}, Verdict::not_mine},
      {{0x16, 3, 1, 0, 0}, Verdict::malformed},
      {{0x16, 3, 1, 2, 0, 2}, Verdict::malformed},           // server_hello
      {{0x16, 3, 1, 2, 0, 1, 0, 1, 0}, Verdict::malformed},  // a message of 256 bytes in a record of 512
      {{0x16, 3, 1, 0, 1, 1, 0x15}, Verdict::malformed},     // an alert behind the first fragment
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(::testing::PrintToString(one.bytes));
    EXPECT_EQ(read_whole<TlsAnswer>(ByteView(one.bytes).first(one.bytes.size() - 1)).verdict,
              Verdict::need_more);
    EXPECT_EQ(read_whole<TlsAnswer>(one.bytes).verdict, one.verdict);
  }
}

TEST(TlsHello, KeepsItsAnswer) {
  TlsReading reading;
  reading.show(Bytes{0x16, 2});
  EXPECT_EQ(reading.show(joined({{0x16, 2}, hello_named("a.example")})).verdict, Verdict::malformed);

  // A recognised one may be asked again, with more bytes and at another place.
  const Bytes hello = browser_hello().build(700);
  TlsReading again;
  const TlsAnswer first = again.show(hello);
  ASSERT_EQ(first.verdict, Verdict::recognised);
  EXPECT_EQ(again.show(joined({hello, {1, 2, 3}})), first);
}

TEST(TlsHello, LeavesTheResultAloneUntilItIsComplete) {
  ClientHello result;
  result.server_name = "before";
  TlsHelloReader reader;
  const Bytes hello = hello_with(16, {});
  EXPECT_EQ(reader.read(ByteView(hello).first(60), result), Verdict::need_more);
  EXPECT_EQ(reader.read(hello, result), Verdict::malformed);
  EXPECT_EQ(result.server_name, "before");
}

TEST(TlsHello, PointsIntoTheGivenBytesWhenOneRecordHoldsTheHello) {
  const Bytes hello = hello_named("a.example");
  TlsHelloReader reader;
  ClientHello result;
  ASSERT_EQ(reader.read(hello, result), Verdict::recognised);
  const ByteView name = as_bytes(result.server_name);
  EXPECT_GE(name.data(), hello.data());
  EXPECT_LE(name.data() + name.size(), hello.data() + hello.size());
}

TEST(TlsHello, AnnouncesTheLengthAsSoonAsItIsPromised) {
  TlsHelloReader reader;
  ClientHello result;
  const auto announced_after = [&](const Bytes& bytes) {
    EXPECT_EQ(reader.read(bytes, result), Verdict::need_more);
    return reader.announced_length();
  };
  EXPECT_EQ(announced_after({}), 0U);
  EXPECT_EQ(announced_after({0x16, 3, 1, 0x40}), 0U);
  EXPECT_EQ(announced_after({0x16, 3, 1, 0x40, 0}), 5U + 16384);
  // A message of 4 + 40000 bytes needs three records, the first of which is full.
  EXPECT_EQ(announced_after({0x16, 3, 1, 0x40, 0, 1, 0, 0x9c, 0x40}), 3U * 5 + 4 + 40000);
}

TEST(TlsHello, AnnouncesTheGreatestLengthWithoutAllocatingIt) {
  TlsHelloReader reader;
  ClientHello result;
  const Bytes bytes{0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff};
  EXPECT_EQ(reader.read(bytes, result), Verdict::need_more);
  EXPECT_EQ(reader.announced_length(), 5U + 4 + 0xffffff + 1024 * 5);
}

TEST(TlsHello, AnnouncesNeverMoreThanALegalHelloHasAndNeverLess) {
  for (const TlsVector& vector : tls_vectors()) {
    if (vector.verdict != Verdict::recognised) continue;
    SCOPED_TRACE(vector.name);
    const std::size_t length = vector.bytes.size() - vector.behind;
    TlsReading reading;
    std::size_t before = 0;
    for (const std::size_t cut : cuts(vector.bytes.size())) {
      reading.show(ByteView(vector.bytes).first(cut));
      const std::size_t announced = reading.reader().announced_length();
      ASSERT_GE(announced, before) << cut;
      ASSERT_LE(announced, length) << cut;
      before = announced;
    }
    EXPECT_EQ(before, length);
  }
}

}  // namespace
}  // namespace portshare::test
