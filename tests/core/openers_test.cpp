#include "core/openers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "tests/core/http_head_vectors.h"
#include "tests/core/opener_vectors.h"
#include "tests/core/proxy_header_vectors.h"
#include "tests/core/split_reading.h"
#include "tests/core/tls_hello_vectors.h"

namespace portshare::test {
namespace {

/// What the opener says to a heap copy of the bytes, so that a read behind them is seen.
Verdict judge(const Opener& opener, std::string_view text) {
  const ByteView bytes = as_bytes(text);
  return opener.recognise(std::vector<std::uint8_t>(bytes.begin(), bytes.end()));
}

std::string shown(const Opener& opener, std::string_view bytes) {
  return std::string(to_string(opener.protocol)) + " on " +
         ::testing::PrintToString(std::string(bytes.substr(0, 200)));
}

TEST(Openers, AreEachListedOnce) {
  ProtocolSet seen{Protocol::any, Protocol::tls, Protocol::http};
  for (const Opener& opener : openers) {
    EXPECT_FALSE(seen.contains(opener.protocol)) << to_string(opener.protocol);
    seen.insert(opener.protocol);
  }
  for (const Protocol protocol : all_protocols) EXPECT_TRUE(seen.contains(protocol)) << to_string(protocol);
}

TEST(Openers, ClaimTheirOwnClientsAtTheDecidingByte) {
  for (const Opener& opener : openers) {
    std::size_t own = 0;
    for (const OpenerVector& vector : opener_vectors()) {
      if (vector.protocol != opener.protocol) continue;
      ++own;
      SCOPED_TRACE(shown(opener, vector.bytes));
      for (std::size_t length = 0; length <= vector.bytes.size(); ++length) {
        const Verdict expected = length < vector.decided_after ? Verdict::need_more : Verdict::recognised;
        ASSERT_EQ(judge(opener, vector.bytes.substr(0, length)), expected) << "at " << length;
      }
    }
    EXPECT_NE(own, 0U) << to_string(opener.protocol);
  }
}

TEST(Openers, ClaimNoClientOfEachOther) {
  for (const OpenerVector& vector : opener_vectors()) {
    for (const Opener& opener : openers) {
      if (vector.protocol == opener.protocol) continue;
      const Verdict verdict = judge(opener, vector.bytes);
      // The overlap that the order settles: the client of SOCKS has said all it will say.
      const bool is_overlap = vector.protocol == Protocol::socks && opener.protocol == Protocol::openvpn &&
                              vector.bytes.starts_with("\x04\x01\x50");
      EXPECT_EQ(verdict, is_overlap ? Verdict::need_more : Verdict::not_mine) << shown(opener, vector.bytes);
    }
  }
}

/// An opener, or TLS, that is asked earlier and still waits would let the connection run into its timeout.
TEST(Openers, NobodyAskedEarlierWaitsLonger) {
  for (const OpenerVector& vector : opener_vectors()) {
    const std::string_view decided = std::string_view(vector.bytes).substr(0, vector.decided_after);
    EXPECT_EQ(read_whole<TlsAnswer>(as_bytes(decided)).verdict, Verdict::not_mine);
    for (const Opener& opener : openers) {
      if (opener.protocol == vector.protocol) break;
      EXPECT_EQ(judge(opener, decided), Verdict::not_mine) << shown(opener, decided);
    }
  }
}

TEST(Openers, ClaimNeitherTlsNorHttpNorTheProxyProtocol) {
  for (const Opener& opener : openers) {
    for (const auto& vector : tls_vectors()) {
      if (vector.verdict != Verdict::recognised) continue;
      EXPECT_EQ(judge(opener, as_text(vector.bytes)), Verdict::not_mine)
          << shown(opener, as_text(vector.bytes));
    }
    for (const HttpVector& vector : http_vectors()) {
      if (vector.verdict != Verdict::recognised) continue;
      EXPECT_EQ(judge(opener, vector.bytes), Verdict::not_mine) << shown(opener, vector.bytes);
    }
    for (const ProxyVector& vector : proxy_vectors()) {
      if (vector.answer.verdict != Verdict::recognised) continue;
      EXPECT_EQ(judge(opener, vector.bytes), Verdict::not_mine) << shown(opener, vector.bytes);
    }
  }
}

TEST(Openers, TheirClientsAreNeitherTlsNorHttpNorTheProxyProtocol) {
  for (const OpenerVector& vector : opener_vectors()) {
    SCOPED_TRACE(::testing::PrintToString(vector.bytes));
    EXPECT_EQ(read_whole<TlsAnswer>(as_bytes(vector.bytes)).verdict, Verdict::not_mine);
    EXPECT_EQ(read_whole<ProxyAnswer>(as_bytes(vector.bytes)).verdict, Verdict::not_mine);
    // HTTP is asked last: all that counts is that it does not claim them.
    const Verdict http = read_whole<HttpAnswer>(as_bytes(vector.bytes)).verdict;
    EXPECT_TRUE(http == Verdict::not_mine || http == Verdict::need_more);
  }
}

TEST(Openers, ClaimNothingElse) {
  for (const std::string& bytes : bytes_of_no_opener()) {
    for (const Opener& opener : openers) {
      EXPECT_EQ(judge(opener, bytes), Verdict::not_mine) << shown(opener, bytes);
    }
  }
}

TEST(Openers, AnswerFinallyAndNeverMalformed) {
  std::vector<std::string> all = bytes_of_no_opener();
  for (const OpenerVector& vector : opener_vectors()) all.push_back(vector.bytes);
  for (const std::string& bytes : all) {
    for (const Opener& opener : openers) {
      SCOPED_TRACE(shown(opener, bytes));
      Verdict before = Verdict::need_more;
      for (std::size_t length = 0; length <= bytes.size(); ++length) {
        const Verdict now = judge(opener, bytes.substr(0, length));
        ASSERT_NE(now, Verdict::malformed);
        ASSERT_TRUE(before == Verdict::need_more || now == before) << "at " << length;
        before = now;
      }
    }
  }
}

TEST(Openers, RuleOutAtTheFirstByteThatDoesNotFit) {
  const auto verdict_of = [](Protocol protocol, std::string_view bytes) {
    return judge(*std::ranges::find(openers, protocol, &Opener::protocol), bytes);
  };
  EXPECT_EQ(verdict_of(Protocol::ssh, "SSL"), Verdict::not_mine);
  EXPECT_EQ(verdict_of(Protocol::rdp, "\x16"), Verdict::not_mine);
  EXPECT_EQ(verdict_of(Protocol::socks, "\x16"), Verdict::not_mine);
  EXPECT_EQ(verdict_of(Protocol::openvpn, "\x16"), Verdict::not_mine);
  EXPECT_EQ(verdict_of(Protocol::postgresql, "\x16"), Verdict::not_mine);
  EXPECT_EQ(verdict_of(Protocol::mqtt, "\x16"), Verdict::not_mine);
  EXPECT_EQ(verdict_of(Protocol::xmpp, "<s\x01"), Verdict::not_mine);
}

}  // namespace
}  // namespace portshare::test
