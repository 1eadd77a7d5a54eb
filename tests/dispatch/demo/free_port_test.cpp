#include "dispatch/demo/free_port.h"

#include <gtest/gtest.h>

#include <array>

#include "platform/listening_socket.h"

namespace portshare {
namespace {

constexpr std::array addresses{IpAddress::v4({127, 0, 0, 1}), IpAddress::v4({127, 0, 0, 2})};
constexpr IpAddress not_of_this_host = IpAddress::v4({192, 0, 2, 1});  // RFC 5737

TEST(FreePort, APortThatIsHeldOnOneOfTheAddressesIsNotTaken) {
  for (const IpAddress& held : addresses) {
    const auto holder = open_listening_socket({IpEndpoint{held, 0}, {}});
    ASSERT_TRUE(holder) << holder.error().message;
    const std::uint16_t port = address_of_listening_socket(*holder).ip->port;
    const auto found = find_free_port(addresses, port);
    EXPECT_TRUE(found && *found != port);
    close_listening_socket(*holder);
  }
}

TEST(FreePort, NoneWhereTheHostLacksAnAddress) {
  EXPECT_TRUE(can_listen_on(addresses[0]));
  EXPECT_FALSE(can_listen_on(not_of_this_host));
  EXPECT_EQ(find_free_port(std::array{addresses[0], not_of_this_host}, 0), std::nullopt);
}

}  // namespace
}  // namespace portshare
