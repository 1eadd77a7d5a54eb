#include "platform/socket_channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "core/byte_view.h"

namespace portshare {
namespace {

class SocketChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    auto ends = SocketChannel::make_pair();
    ASSERT_TRUE(ends) << ends.error();
    one_ = std::move(ends->first);
    other_ = std::move(ends->second);
  }

  static std::string text_of(const std::optional<SocketChannel::Message>& message) {
    return message ? std::string(as_text(message->bytes)) : "nobody";
  }

  SocketChannel one_;
  SocketChannel other_;
};

TEST_F(SocketChannelTest, CarriesMessagesAndSockets) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  ASSERT_TRUE(one_.send(as_bytes("first"), std::array{Socket{pair[0]}}));
  ASSERT_TRUE(one_.send(as_bytes("second")));
  // Closed here, and yet it is not over: the message has it, too.
  close_in_this_process(Socket{pair[0]});
  const auto first = other_.receive();
  EXPECT_EQ(text_of(first), "first");
  ASSERT_EQ(first->sockets.size(), 1U);
  ASSERT_EQ(::write(std::to_underlying(first->sockets[0]), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(pair[1], &byte, 1), 1);
  close_in_this_process(first->sockets[0]);
  EXPECT_EQ(::read(pair[1], &byte, 1), 0) << "now it is";
  ::close(pair[1]);
  EXPECT_EQ(text_of(other_.receive()), "second");
}

TEST_F(SocketChannelTest, HasPatience) {
  one_.set_patience(std::chrono::milliseconds{1});
  EXPECT_EQ(text_of(one_.receive()), "nobody");
  const std::vector<std::uint8_t> much(SocketChannel::most_bytes);
  while (one_.send(much)) {
  }
  EXPECT_EQ(text_of(other_.receive()).size(), much.size()) << "what was sent is there";
}

TEST_F(SocketChannelTest, DeliversWhatOneHasSaidWhoDidNotListen) {
  ASSERT_TRUE(one_.send(as_bytes("unheard")));
  ASSERT_TRUE(other_.send(as_bytes("no, thanks")));
  other_.close();
  EXPECT_EQ(text_of(one_.receive()), "no, thanks");
  EXPECT_EQ(text_of(one_.receive()), "nobody");
}

TEST_F(SocketChannelTest, DeliversWhatWasSentBeforeItWasShutDownAndNothingElse) {
  ASSERT_TRUE(other_.send(as_bytes("in time")));
  one_.shut_down();
  EXPECT_FALSE(other_.send(as_bytes("too late")));
  EXPECT_EQ(text_of(one_.receive()), "in time");
  EXPECT_EQ(text_of(one_.receive()), "nobody");
}

}  // namespace
}  // namespace portshare
