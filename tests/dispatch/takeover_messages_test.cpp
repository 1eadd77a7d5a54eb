#include "dispatch/takeover_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "core/byte_view.h"
#include "platform/listening_socket.h"

namespace portshare {
namespace {

using testing::HasSubstr;
using Purpose = ControlSocket::Purpose;

SocketAddress tcp(std::string_view text) {
  return {.ip = IpEndpoint::parse(text), .unix_path = {}};
}

SocketAddress unix(std::string path) {
  return {.ip = {}, .unix_path = std::move(path)};
}

TEST(TakeoverMessages, BeginWithTheirKind) {
  const auto message = message_of(TakeoverMessage::failed, as_bytes("why"));
  EXPECT_EQ(kind_of(message), TakeoverMessage::failed);
  EXPECT_EQ(as_text(ByteView(message).subspan(1)), "why");
}

TEST(TakeoverMessages, TellProtocolAndVersion) {
  const auto hello = decode_hello(encode_hello({.protocol = 7, .version = "1.2"}));
  ASSERT_TRUE(hello) << hello.error();
  EXPECT_EQ(hello->protocol, 7U);
  EXPECT_EQ(hello->version, "1.2");
}

TEST(TakeoverMessages, TellWhatAListeningSocketIsFor) {
  const auto socket = open_listening_socket(tcp("127.0.0.1:0"));
  ASSERT_TRUE(socket) << socket.error().message;
  const std::array listeners{
      ListeningSockets::Open{.wanted = tcp("127.0.0.1:0"),
                             .bound = address_of_listening_socket(*socket),
                             .socket = *socket,
                             .deferral = std::chrono::seconds{5}},
      ListeningSockets::Open{.wanted = {}, .bound = {}, .socket = *socket, .passed_as = "web"}};
  const auto decoded = decode_listeners(encode_listeners(listeners), std::array{*socket, *socket});
  ASSERT_TRUE(decoded) << decoded.error();
  ASSERT_EQ(decoded->size(), 2U);
  EXPECT_EQ((*decoded)[0].wanted, tcp("127.0.0.1:0"));
  EXPECT_EQ((*decoded)[0].bound, address_of_listening_socket(*socket));
  EXPECT_EQ((*decoded)[0].deferral, std::chrono::seconds{5});
  EXPECT_EQ((*decoded)[1].passed_as, "web");
  for (const auto& open : *decoded) EXPECT_TRUE(open.is_borrowed);
  close_listening_socket(*socket);
}

TEST(TakeoverMessages, TellAdminSocketAndMonitorApart) {
  const std::array sockets{
      ControlSocket{.purpose = Purpose::admin, .configured = unix("/run/p.sock"), .socket = Socket{7}},
      ControlSocket{.purpose = Purpose::monitor, .configured = tcp("[::1]:9180"), .socket = Socket{8}}};
  const auto decoded =
      decode_control_sockets(encode_control_sockets(sockets), std::array{Socket{3}, Socket{4}});
  ASSERT_TRUE(decoded) << decoded.error();
  ASSERT_EQ(decoded->size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*decoded)[i].purpose, sockets[i].purpose);
    EXPECT_EQ((*decoded)[i].configured, sockets[i].configured);
  }
  EXPECT_EQ((*decoded)[0].socket, Socket{3}) << "as it is known here";
  const auto none = decode_control_sockets(encode_control_sockets({}), {});
  ASSERT_TRUE(none) << none.error();
  EXPECT_TRUE(none->empty());
}

TEST(TakeoverMessages, AreRefusedWhereSomethingIsMissingOrUnknown) {
  const std::array sockets{
      ControlSocket{.purpose = Purpose::admin, .configured = unix("/run/p.sock"), .socket = Socket{7}}};
  const auto whole = encode_control_sockets(sockets);
  EXPECT_THAT(decode_control_sockets(whole, {}).error(), HasSubstr("a listening socket is missing"));
  EXPECT_FALSE(decode_listeners(whole, std::array{Socket{3}}));
  EXPECT_FALSE(decode_hello(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(decode_control_sockets(ByteView(whole).first(length), std::array{Socket{3}})) << length;
  }
  auto unknown = whole;
  const auto place = std::ranges::search(unknown, as_bytes("admin"));
  ASSERT_FALSE(place.empty());
  *place.begin() = 'A';
  EXPECT_THAT(decode_control_sockets(unknown, std::array{Socket{3}}).error(), HasSubstr("no known purpose"));
}

}  // namespace
}  // namespace portshare
