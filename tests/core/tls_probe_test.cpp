#include "core/tls_probe.h"

#include <gtest/gtest.h>

#include <string>

#include "core/tls_hello.h"

namespace portshare {
namespace {

using Kind = TlsProbeAnswer::Kind;

TEST(TlsProbe, TheHelloIsLegal) {
  Random random(1);
  for (const std::string& name : {std::string(), std::string("app.internal"), std::string(255, 'a')}) {
    const auto bytes = write_probe_hello(name, random);
    TlsHelloReader reader;
    ClientHello hello;
    ASSERT_EQ(reader.read(bytes, hello), Verdict::recognised) << name;
    EXPECT_EQ(hello.server_name, name);
    EXPECT_EQ(hello.length, bytes.size());
  }
}

TEST(TlsProbe, HellosDiffer) {
  Random random(1);
  EXPECT_NE(write_probe_hello("a", random), write_probe_hello("a", random));
}

TEST(TlsProbe, AnswersAreReadAtEveryCut) {
  const std::vector<std::uint8_t> hello{22, 3, 3, 0, 90, 2, 0, 0, 86};
  for (std::size_t length = 0; length <= hello.size(); ++length) {
    EXPECT_EQ(read_probe_answer(ByteView(hello).first(length)).kind,
              length < 6 ? Kind::need_more : Kind::server_hello);
  }
  const std::vector<std::uint8_t> alert{21, 3, 3, 0, 2, 2, 40};
  for (std::size_t length = 0; length < alert.size(); ++length) {
    EXPECT_EQ(read_probe_answer(ByteView(alert).first(length)).kind, Kind::need_more);
  }
  EXPECT_EQ(read_probe_answer(alert), (TlsProbeAnswer{.kind = Kind::alert, .alert = 40}));
}

TEST(TlsProbe, OthersAreNotTls) {
  for (const std::vector<std::uint8_t>& bytes : {std::vector<std::uint8_t>{'H', 'T'},
                                                 {22, 2},
                                                 {22, 3, 3, 0, 0},
                                                 {22, 3, 3, 0, 4, 11},
                                                 {21, 3, 3, 0, 3, 2}}) {
    EXPECT_EQ(read_probe_answer(bytes).kind, Kind::not_tls);
  }
}

}  // namespace
}  // namespace portshare
