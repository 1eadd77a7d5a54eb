// Every parser of core/ at the edge of memory: each of its vectors, whole and cut at every byte, with a page
// behind it, or in front of it, that nobody may read.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/hpack.h"
#include "core/http_fields.h"
#include "core/ip_address.h"
#include "core/openers.h"
#include "tests/core/body_reading.h"
#include "tests/core/h2_authority_vectors.h"
#include "tests/core/h2_relay.h"
#include "tests/core/hpack_vectors.h"
#include "tests/core/http_body_vectors.h"
#include "tests/core/http_head_vectors.h"
#include "tests/core/http_response_head_vectors.h"
#include "tests/core/name_vectors.h"
#include "tests/core/opener_vectors.h"
#include "tests/core/proxy_header_vectors.h"
#include "tests/core/split_reading.h"
#include "tests/core/tls_hello_vectors.h"
#include "tests/guard_pages/guarded_bytes.h"

namespace portshare::test {
namespace {

using Guard = GuardedBytes::Guard;

template <typename Copy>
class GuardPages : public ::testing::Test {};

struct PlacementName {
  template <typename Copy>
  static std::string GetName(int index) {
    return index == 0 ? "behind" : "in_front";
  }
};
using Placements = ::testing::Types<GuardedCopy<Guard::behind>, GuardedCopy<Guard::in_front>>;
TYPED_TEST_SUITE(GuardPages, Placements, PlacementName);

/// The readers of first bytes: everything in one call, in two, and as it grows byte by byte.
template <typename Answer, typename Copy>
void read_guarded(ByteView bytes, const typename Answer::Reader& fresh = typename Answer::Reader()) {
  const Answer expected = read_whole<Answer>(bytes, fresh);
  SplitReading<Answer, Copy> growing(fresh);
  for (const std::size_t cut : cuts(bytes.size())) {
    growing.show(bytes.first(cut));
    SplitReading<Answer, Copy> in_two(fresh);
    in_two.show(bytes.first(cut));
    ASSERT_TRUE(in_two.show(bytes) == expected) << "cut at " << cut;
  }
  ASSERT_TRUE(growing.answer() == expected);
}

TYPED_TEST(GuardPages, TlsHello) {
  for (const TlsVector& vector : tls_vectors()) {
    SCOPED_TRACE(vector.name);
    read_guarded<TlsAnswer, TypeParam>(vector.bytes);
  }
}

TYPED_TEST(GuardPages, CapturedHellosInRecordsOfEverySize) {
  for (const CapturedHello& captured : captured_hellos()) {
    SCOPED_TRACE(captured.file);
    const ByteView message =
        ByteView(captured.bytes).first(captured.bytes.size() - captured.behind).subspan(5);
    for (std::size_t size = 1; size <= message.size(); ++size) {
      const Bytes bytes = in_records(message, size);
      const TypeParam copy(bytes);
      TlsHelloReader reader;
      ClientHello hello;
      ASSERT_EQ(reader.read(copy.view(), hello), Verdict::recognised) << "in records of " << size;
      ASSERT_EQ(hello.server_name, captured.server_name);
    }
  }
}

TYPED_TEST(GuardPages, HttpHead) {
  for (const HttpVector& vector : http_vectors()) {
    SCOPED_TRACE(vector.bytes.substr(0, 200));
    read_guarded<HttpAnswer, TypeParam>(as_bytes(vector.bytes));
  }
}

TYPED_TEST(GuardPages, HttpResponseHead) {
  for (const ResponseVector& vector : response_vectors()) {
    SCOPED_TRACE(vector.bytes.substr(0, 200));
    read_guarded<ResponseAnswer, TypeParam>(as_bytes(vector.bytes), HttpResponseHeadReader(vector.context));
  }
}

TYPED_TEST(GuardPages, HttpBody) {
  for (const ChunkedVector& vector : chunked_vectors()) {
    SCOPED_TRACE(vector.bytes.substr(0, 200));
    const BodyAnswer expected{vector.count, vector.progress};
    for (const std::size_t cut : cuts(vector.bytes.size())) {
      BodyReading<TypeParam> reading(HttpBody::chunked());
      reading.arrive(vector.bytes.substr(0, cut));
      ASSERT_EQ(reading.arrive(vector.bytes.substr(cut)), expected) << "cut at " << cut;
    }
    BodyReading<TypeParam> growing(HttpBody::chunked());
    for (const char byte : vector.bytes) growing.arrive({&byte, 1});
    ASSERT_EQ(growing.answer(), expected);
  }
}

TYPED_TEST(GuardPages, HttpFields) {
  for (const HttpVector& vector : http_vectors()) {
    if (vector.bytes.size() > 4096) continue;
    for (std::size_t cut = 0; cut <= vector.bytes.size(); ++cut) {
      const TypeParam copy(as_bytes(vector.bytes).subspan(cut));
      const std::string_view line = as_text(copy.view());
      const auto field = http::split_field(line.substr(0, line.find('\r')));
      if (field) {
        EXPECT_TRUE(http::is_all(http::Character::token, field->name));
      }
      EXPECT_LE(http::trim(line).size(), line.size());
    }
  }
}

TYPED_TEST(GuardPages, ProxyHeader) {
  for (const ProxyVector& vector : proxy_vectors()) {
    SCOPED_TRACE(vector.bytes.substr(0, 200));
    read_guarded<ProxyAnswer, TypeParam>(as_bytes(vector.bytes));
  }
}

TYPED_TEST(GuardPages, Openers) {
  std::vector<std::string> all = bytes_of_no_opener();
  for (const OpenerVector& vector : opener_vectors()) all.push_back(vector.bytes);
  for (const std::string& bytes : all) {
    for (std::size_t length = 1; length <= bytes.size(); ++length) {
      const TypeParam copy(as_bytes(bytes).first(length));
      for (const Opener& opener : openers) ASSERT_NE(opener.recognise(copy.view()), Verdict::malformed);
    }
  }
}

TYPED_TEST(GuardPages, H2Authority) {
  for (const H2Vector& vector : h2_vectors()) {
    SCOPED_TRACE(vector.bytes.substr(0, 200));
    read_guarded<H2Answer, TypeParam>(as_bytes(vector.bytes));
  }
}

TYPED_TEST(GuardPages, H2RequestFilter) {
  for (const std::string& bytes : h2_later_bytes()) {
    H2Relay<> plain;
    plain.receive(bytes);
    for (const std::size_t cut : cuts(bytes.size())) {
      H2Relay<TypeParam> relay;
      relay.receive(std::string_view(bytes).substr(0, cut));
      relay.receive(std::string_view(bytes).substr(cut));
      ASSERT_EQ(relay.passed(), plain.passed()) << "cut at " << cut;
    }
  }
}

TYPED_TEST(GuardPages, H2ResponseFrames) {
  for (const std::string& bytes : h2_later_bytes()) {
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      H2ResponseFrames frames;
      for (const std::string_view piece :
           {std::string_view(bytes).substr(0, cut), std::string_view(bytes).substr(cut)}) {
        const TypeParam copy(as_bytes(piece));
        for (ByteView rest = copy.view(); !rest.empty();) rest = rest.subspan(frames.advance(rest));
      }
    }
  }
}

TYPED_TEST(GuardPages, Hpack) {
  for (const HpackExample& example : hpack_examples()) {
    SCOPED_TRACE(example.section);
    for (std::size_t cut = 0; cut <= 60; ++cut) {
      HpackDecoder decoder;
      if (example.table_size) decoder.change_table_size(*example.table_size);
      for (const HpackExample::Block& block : example.blocks) {
        const std::string bytes = bytes_of_hex(block.hex);
        const std::size_t at = std::min(cut, bytes.size());
        const TypeParam first(as_bytes(bytes).first(at));
        const TypeParam second(as_bytes(bytes).subspan(at));
        HeaderFields fields;
        ASSERT_TRUE(decoder.decode(first.view(), false, fields) &&
                    decoder.decode(second.view(), true, fields));
        ASSERT_EQ(fields_of(fields), block.fields) << "cut at " << cut;
      }
    }
  }
}

TYPED_TEST(GuardPages, HostNameAndIpAddress) {
  for (const std::string& text : name_texts()) {
    for (std::size_t length = 0; length <= text.size(); ++length) {
      for (const std::string_view part :
           {std::string_view(text).substr(0, length), std::string_view(text).substr(length)}) {
        const TypeParam copy(as_bytes(part));
        const std::string_view guarded = as_text(copy.view());
        const auto check = [&](const auto& on_heap, const auto& at_guard) {
          ASSERT_EQ(on_heap.has_value(), at_guard.has_value()) << part;
        };
        check(HostName::from_server_name(part), HostName::from_server_name(guarded));
        check(HostName::from_authority(part), HostName::from_authority(guarded));
        EXPECT_EQ(IpAddress::parse(part), IpAddress::parse(guarded));
        EXPECT_EQ(IpEndpoint::parse(part), IpEndpoint::parse(guarded));
        EXPECT_EQ(IpPrefix::parse(part), IpPrefix::parse(guarded));
      }
    }
  }
}

TEST(GuardPagesDeathTest, AReadOneByteTooFarEndsTheProgram) {
  const Bytes bytes{1, 2, 3};
  const GuardedCopy<Guard::behind> before_a_guard(bytes);
  const GuardedCopy<Guard::in_front> behind_a_guard(bytes);
  EXPECT_EQ(Bytes(before_a_guard.view().begin(), before_a_guard.view().end()), bytes);
  EXPECT_EQ(Bytes(behind_a_guard.view().begin(), behind_a_guard.view().end()), bytes);
  const auto read = [](const std::uint8_t* byte) { return *static_cast<const volatile std::uint8_t*>(byte); };
  EXPECT_DEATH(static_cast<void>(read(before_a_guard.view().data() + 3)), "");
  EXPECT_DEATH(static_cast<void>(read(behind_a_guard.view().data() - 1)), "");
  EXPECT_DEATH(static_cast<void>(read(GuardedCopy<Guard::behind>({}).view().data())), "");
}

}  // namespace
}  // namespace portshare::test
