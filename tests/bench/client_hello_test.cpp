#include "bench/client_hello.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/tls_hello.h"
#include "core/verdict.h"

namespace portshare {
namespace {

const std::vector<std::string> web_protocols{"h2", "http/1.1"};

std::vector<std::uint8_t> hello_for(const ClientHelloTemplate& hello, std::string_view name, Random& random) {
  std::vector<std::uint8_t> bytes(hello.most_bytes());
  bytes.resize(hello.write(name, random, bytes));
  return bytes;
}

class Style : public testing::TestWithParam<HelloStyle> {
 protected:
  Random random_{1};
};

TEST_P(Style, IsReadWithItsNameAndProtocols) {
  const ClientHelloTemplate hello(GetParam(), web_protocols);
  for (const std::string& name :
       {std::string("a.example"), std::string("www.example.com"), std::string(63, 'x') + ".example",
        std::string(63, 'a') + '.' + std::string(63, 'b') + '.' + std::string(63, 'c') + '.' +
            std::string(61, 'd')}) {
    const auto bytes = hello_for(hello, name, random_);
    TlsHelloReader reader;
    ClientHello read;
    ASSERT_EQ(reader.read(bytes, read), Verdict::recognised) << name;
    EXPECT_EQ(read.server_name, name);
    EXPECT_EQ(read.length, bytes.size());
    EXPECT_EQ(read.legacy_version, 0x0303);
    EXPECT_EQ(as_text(read.alpn), std::string("\x02h2\x08http/1.1"));
  }
}

TEST_P(Style, MayNameNothing) {
  const ClientHelloTemplate hello(GetParam(), {});
  const auto bytes = hello_for(hello, "", random_);
  TlsHelloReader reader;
  ClientHello read;
  ASSERT_EQ(reader.read(bytes, read), Verdict::recognised);
  EXPECT_TRUE(read.server_name.empty());
  EXPECT_TRUE(read.alpn.empty());
}

TEST_P(Style, HasOneLengthForUsualNames) {
  const ClientHelloTemplate hello(GetParam(), web_protocols);
  const std::size_t length = GetParam() == HelloStyle::classic ? 517 : 1800;
  for (std::size_t name_length = 0; name_length <= 100; ++name_length)
    EXPECT_EQ(hello_for(hello, std::string(name_length, 'x'), random_).size(), length) << name_length;
}

TEST_P(Style, FillsEveryLengthUpToTheLongest) {
  // Around the length at which there is no room for the padding any more.
  const ClientHelloTemplate hello(GetParam(), web_protocols);
  std::string name = "a";
  for (; name.size() <= ClientHelloTemplate::longest_name; name += name.size() % 10 == 9 ? '.' : 'a') {
    const auto bytes = hello_for(hello, name.ends_with('.') ? name + "b" : name, random_);
    TlsHelloReader reader;
    ClientHello read;
    ASSERT_EQ(reader.read(bytes, read), Verdict::recognised) << name.size();
    if (name.size() + 1 > ClientHelloTemplate::longest_name) break;
  }
}

TEST_P(Style, HasItsOwnRandomEachTime) {
  const ClientHelloTemplate hello(GetParam(), web_protocols);
  const auto first = hello_for(hello, "a.example", random_);
  const auto second = hello_for(hello, "a.example", random_);
  ASSERT_EQ(first.size(), second.size());
  EXPECT_FALSE(std::equal(first.begin() + 11, first.begin() + 43, second.begin() + 11));
  EXPECT_FALSE(std::equal(first.begin() + 44, first.begin() + 76, second.begin() + 44));
  EXPECT_TRUE(std::equal(first.begin() + 76, first.end(), second.begin() + 76));
  Random same(1);
  EXPECT_EQ(hello_for(hello, "a.example", same), first);
}

INSTANTIATE_TEST_SUITE_P(ClientHelloTemplate, Style,
                         testing::Values(HelloStyle::classic, HelloStyle::post_quantum),
                         [](const auto& parameter) {
                           return parameter.param == HelloStyle::classic ? "Classic" : "PostQuantum";
                         });

}  // namespace
}  // namespace portshare
