// What real programs send, in every form in which it may arrive, and damaged.
#include "tests/core/captured_hellos.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "core/cursor.h"
#include "core/tls_hello.h"
#include "tests/core/client_hello_builder.h"
#include "tests/core/split_reading.h"

namespace portshare::test {
namespace {

constexpr std::size_t record_header_length = 5;
constexpr std::size_t segment_length = 1460;  // of TCP over Ethernet

ByteView hello_of(const CapturedHello& captured) {
  return ByteView(captured.bytes).first(captured.bytes.size() - captured.behind);
}

/// The handshake message. All of them come in one record.
ByteView message_of(const CapturedHello& captured) {
  return hello_of(captured).subspan(record_header_length);
}

TlsAnswer expected_answer(const CapturedHello& captured, std::size_t length) {
  const TlsAnswer read = read_whole<TlsAnswer>(captured.bytes);
  TlsAnswer answer{.verdict = Verdict::recognised,
                   .server_name = captured.server_name,
                   .has_encrypted_client_hello = captured.has_encrypted_client_hello,
                   .legacy_version = read.legacy_version,
                   .length = length};
  for (const std::string& protocol : captured.alpn)
    answer.alpn += static_cast<char>(protocol.size()) + protocol;
  return answer;
}

const CapturedHello& captured_from(std::string_view program) {
  const auto found = std::ranges::find_if(
      captured_hellos(), [&](const CapturedHello& captured) { return captured.file.starts_with(program); });
  if (found == captured_hellos().end()) ADD_FAILURE() << "no hello of " << program;
  return *found;
}

TEST(CapturedHellos, AreOfEveryTlsLibraryThatClientsUse) {
  for (const std::string_view program :
       {"chromium-", "curl-", "firefox-", "git-", "gnutls-", "go-", "java-", "nodejs-20", "nodejs-24",
        "openssl-", "python-", "rfc-8448-3", "rustls-", "wget-"}) {
    EXPECT_FALSE(captured_from(program).bytes.empty());
  }
}

TEST(CapturedHellos, WithPostQuantumKeySharesAreLongerThanASegment) {
  for (const std::string_view program : {"chromium-", "firefox-", "nodejs-24"}) {
    SCOPED_TRACE(program);
    const CapturedHello& captured = captured_from(program);
    ASSERT_GT(captured.bytes.size(), segment_length);
    SplitReading<TlsAnswer> reading;
    EXPECT_EQ(reading.show(ByteView(captured.bytes).first(segment_length)).verdict, Verdict::need_more);
    EXPECT_EQ(reading.show(captured.bytes), expected_answer(captured, hello_of(captured).size()));
  }
}

TEST(CapturedHellos, SayWhatTheirProgramWasAskedToSend) {
  for (const CapturedHello& captured : captured_hellos()) {
    SCOPED_TRACE(captured.file);
    EXPECT_EQ(read_whole<TlsAnswer>(captured.bytes), expected_answer(captured, hello_of(captured).size()));
  }
}

TEST(CapturedHellos, SayTheSameInRecordsOfEverySize) {
  for (const CapturedHello& captured : captured_hellos()) {
    const ByteView message = message_of(captured);
    for (std::size_t size = 1; size <= message.size(); ++size) {
      const Bytes bytes = in_records(message, size);
      ASSERT_EQ(read_whole<TlsAnswer>(bytes), expected_answer(captured, bytes.size()))
          << captured.file << " in records of " << size;
    }
  }
}

TEST(CapturedHellos, SayTheSameInRecordsOfOneByteByteByByte) {
  for (const CapturedHello& captured : captured_hellos()) {
    SCOPED_TRACE(captured.file);
    const Bytes bytes = in_records(message_of(captured), 1);
    SplitReading<TlsAnswer> reading;
    for (std::size_t length = 0; length < bytes.size(); ++length)
      ASSERT_EQ(reading.show(ByteView(bytes).first(length)).verdict, Verdict::need_more) << "at " << length;
    EXPECT_EQ(reading.show(bytes), expected_answer(captured, bytes.size()));
  }
}

TEST(CapturedHellos, AreIncompleteWhereverTheyAreCut) {
  for (const CapturedHello& captured : captured_hellos()) {
    const ByteView hello = hello_of(captured);
    for (std::size_t length = 0; length < hello.size(); ++length)
      ASSERT_EQ(read_whole<TlsAnswer>(hello.first(length)).verdict, Verdict::need_more)
          << captured.file << " cut at " << length;
  }
}

struct LengthField {
  std::size_t position;  ///< in the hello
  std::size_t size;      ///< in bytes
  std::string_view of;
};

/// Where the hello says how long something is (RFC 8446, 4.1.2; RFC 6066, 3; RFC 7301, 3.1).
std::vector<LengthField> length_fields(ByteView hello) {
  std::vector<LengthField> fields{{3, 2, "record"}, {6, 3, "message"}};
  Cursor cursor(hello.subspan(record_header_length + 4));
  const auto here = [&](const Cursor& at) { return hello.size() - at.remaining(); };
  cursor.read_bytes(2 + 32);
  fields.push_back({here(cursor), 1, "session id"});
  cursor.read_vector8();
  fields.push_back({here(cursor), 2, "cipher suites"});
  cursor.read_vector16();
  fields.push_back({here(cursor), 1, "compression methods"});
  cursor.read_vector8();
  fields.push_back({here(cursor), 2, "extensions"});
  cursor.read_u16();
  while (!cursor.at_end()) {
    const auto type = cursor.read_u16();
    fields.push_back({here(cursor), 2, "extension"});
    const std::size_t body = here(cursor) + 2;
    const auto content = cursor.read_vector16();
    if (!content) break;
    if (type == 0) {
      fields.push_back({body, 2, "list of names"});
      fields.push_back({body + 3, 2, "name"});
    } else if (type == 16) {
      fields.push_back({body, 2, "list of protocols"});
      for (std::size_t at = body + 2; at < body + content->size(); at += std::size_t{1} + hello[at])
        fields.push_back({at, 1, "protocol"});
    }
  }
  return fields;
}

/// Whether the extensions, each as long as it says, end where the hello ends: then a wrong length has only
/// moved bytes from one extension to another.
bool extensions_fit(ByteView hello, std::size_t begin) {
  Cursor cursor(hello.subspan(begin));
  while (!cursor.at_end())
    if (!cursor.read_u16() || !cursor.read_vector16()) return false;
  return true;
}

TEST(CapturedHellos, AreRefusedWithAnyLengthThatDoesNotFit) {
  for (const CapturedHello& captured : captured_hellos()) {
    const ByteView hello = hello_of(captured);
    const std::vector<LengthField> fields = length_fields(hello);
    const std::size_t extensions = std::ranges::find(fields, "extensions", &LengthField::of)->position + 2;
    for (const LengthField& field : fields) {
      std::size_t right = 0;
      for (std::size_t i = 0; i < field.size; ++i) right = right << 8 | hello[field.position + i];
      const std::size_t greatest = (std::size_t{1} << (8 * field.size)) - 1;
      for (const std::size_t wrong : {std::size_t{0}, right - 1, right + 1, right + 4, right * 2, greatest}) {
        if (wrong == right || wrong > greatest) continue;
        Bytes changed(hello.begin(), hello.end());
        for (std::size_t i = 0; i < field.size; ++i)
          changed[field.position + i] = static_cast<std::uint8_t>(wrong >> (8 * (field.size - 1 - i)));
        const Verdict verdict = read_whole<TlsAnswer>(changed).verdict;
        if (field.of == "extension" && extensions_fit(changed, extensions)) continue;
        // Only a record or a message that claims to be longer can still become something.
        const bool may_wait = (field.of == "record" || field.of == "message") && wrong > right;
        EXPECT_TRUE(verdict == Verdict::malformed || (may_wait && verdict == Verdict::need_more))
            << captured.file << ": " << field.of << " at " << field.position << " of " << wrong << " for "
            << right;
      }
    }
  }
}

/// Whatever one byte becomes, the answer is one that the bytes allow, and no cut changes it.
TEST(CapturedHellos, WithAnyByteChangedAreReadTheSameInPieces) {
  for (const CapturedHello& captured : captured_hellos()) {
    const ByteView hello = hello_of(captured);
    for (std::size_t position = 0; position < hello.size(); ++position) {
      for (const unsigned mask : {0x01U, 0x80U, 0xffU}) {
        Bytes changed(hello.begin(), hello.end());
        changed[position] = static_cast<std::uint8_t>(changed[position] ^ mask);
        const TlsAnswer whole = read_whole<TlsAnswer>(changed);
        SplitReading<TlsAnswer> reading;
        reading.show(ByteView(changed).first(position));
        reading.show(ByteView(changed).first(position + 1));
        ASSERT_EQ(reading.show(changed), whole) << captured.file << " at " << position;
        if (whole.verdict == Verdict::recognised) {
          ASSERT_EQ(whole.length, hello.size());
        }
      }
    }
  }
}

}  // namespace
}  // namespace portshare::test
