#include "bench/targets.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/byte_view.h"

namespace portshare {
namespace {

TEST(Targets, AreRead) {
  for (const char* wrong :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", ":80", "::1:80x", "unix:", "a b:80"})
    EXPECT_FALSE(parse_target(wrong)) << wrong;
  const auto name = parse_target("localhost:80");
  ASSERT_TRUE(name) << name.error();
  EXPECT_TRUE(name->ip && name->ip->address.is_loopback() && name->ip->port == 80);
}

TEST(RawBytes, AreRead) {
  EXPECT_EQ(*parse_raw_bytes("hex:0d0A"), (std::vector<std::uint8_t>{0x0d, 0x0a}));
  EXPECT_EQ(*parse_raw_bytes(R"(a\r\n\t\\\x00z)"),
            (std::vector<std::uint8_t>{'a', '\r', '\n', '\t', '\\', 0, 'z'}));
  EXPECT_TRUE(parse_raw_bytes("")->empty());
  for (const char* wrong : {"hex:0", "hex:zz", "\\", "\\q", "\\x1", "@/nowhere/at/all"})
    EXPECT_FALSE(parse_raw_bytes(wrong)) << wrong;
  const std::string path = testing::TempDir() + "portshare-bench-raw";
  std::ofstream(path, std::ios::binary) << "\\r raw";
  EXPECT_EQ(as_text(*parse_raw_bytes("@" + path)), "\\r raw");
}

}  // namespace
}  // namespace portshare
