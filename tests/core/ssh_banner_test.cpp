#include "core/ssh_banner.h"

#include <gtest/gtest.h>

#include <string_view>

namespace portshare {
namespace {

Verdict judge(std::string_view text) {
  return recognise_ssh(as_bytes(text));
}

TEST(SshBanner, DecidesWithTheFirstFourBytes) {
  EXPECT_EQ(judge(""), Verdict::need_more);
  EXPECT_EQ(judge("S"), Verdict::need_more);
  EXPECT_EQ(judge("SS"), Verdict::need_more);
  EXPECT_EQ(judge("SSH"), Verdict::need_more);
  EXPECT_EQ(judge("SSH-"), Verdict::recognised);
  EXPECT_EQ(judge("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), Verdict::recognised);
}

TEST(SshBanner, IsNotMineAtTheFirstOtherByte) {
  EXPECT_EQ(judge("G"), Verdict::not_mine);
  EXPECT_EQ(judge("s"), Verdict::not_mine);
  EXPECT_EQ(judge("SE"), Verdict::not_mine);
  EXPECT_EQ(judge("SSL"), Verdict::not_mine);
  EXPECT_EQ(judge("SSH "), Verdict::not_mine);
  EXPECT_EQ(judge("\r\nSSH-2.0-x"), Verdict::not_mine);
  EXPECT_EQ(judge("xSSH-"), Verdict::not_mine);
}

}  // namespace
}  // namespace portshare
