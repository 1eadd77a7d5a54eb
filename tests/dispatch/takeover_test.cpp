// The program that takes another one's place; the test is the other one.
#include "dispatch/takeover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "core/byte_view.h"
#include "dispatch/takeover_messages.h"
#include "tests/platform/process_limits.h"

namespace portshare {
namespace {

using testing::HasSubstr;

class TakeoverTest : public testing::Test {
 protected:
  void SetUp() override {
    auto ends = SocketChannel::make_pair();
    ASSERT_TRUE(ends) << ends.error();
    old_ = std::move(ends->first);
    new_ = std::move(ends->second);
  }

  void say(TakeoverMessage kind, ByteView rest = {}) { ASSERT_TRUE(old_.send(message_of(kind, rest))); }
  void introduce(std::uint32_t protocol) {
    say(TakeoverMessage::hello, encode_hello({.protocol = protocol, .version = "0.0.9"}));
    say(TakeoverMessage::all_listeners);
  }

  SocketChannel old_;
  SocketChannel new_;
};

TEST_F(TakeoverTest, DeclinesWhoSpeaksAnotherProtocol) {
  introduce(takeover_protocol - 1);
  const auto takeover = Takeover::begin(std::move(new_));
  ASSERT_FALSE(takeover);
  EXPECT_THAT(takeover.error(), HasSubstr("cannot take the place of version 0.0.9"));
  const auto answer = old_.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(kind_of(answer->bytes), TakeoverMessage::failed);
  EXPECT_EQ(as_text(ByteView(answer->bytes).subspan(1)), takeover.error());
}

TEST_F(TakeoverTest, DeclinesWhoMakesNoSense) {
  say(TakeoverMessage::session);
  EXPECT_FALSE(Takeover::begin(std::move(new_)));
}

TEST_F(TakeoverTest, EndsAlsoBeforeItIsReady) {
  introduce(takeover_protocol);
  auto takeover = Takeover::begin(std::move(new_));
  ASSERT_TRUE(takeover) << takeover.error();
  EXPECT_TRUE((*takeover)->prepare());
  takeover->reset();
  EXPECT_FALSE(old_.receive());
}

TEST_F(TakeoverTest, SaysThatThereIsNoThread) {
  introduce(takeover_protocol);
  // In a process of its own.
  EXPECT_EXIT(
      {
        const auto takeover = Takeover::begin(std::move(new_));
        leave_threads(0);
        const auto prepared = (*takeover)->prepare();
        (void)std::fputs(prepared ? "prepared" : prepared.error().c_str(), stderr);
        std::_Exit(0);
      },
      testing::ExitedWithCode(0), "cannot start a thread for the connections of the program before: ");
}

}  // namespace
}  // namespace portshare
