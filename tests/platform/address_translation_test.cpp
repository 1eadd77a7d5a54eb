#include "platform/address_translation.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

namespace portshare {
namespace {

sockaddr_storage translated(const SocketAddress& address, std::uint32_t& length) {
  sockaddr_storage storage{};
  length = to_system_address(address, storage);
  return storage;
}

std::optional<IpEndpoint> endpoint_in(const sockaddr_storage& storage, std::uint32_t length) {
  return to_endpoint(reinterpret_cast<const sockaddr&>(storage), length);
}

TEST(AddressTranslation, WritesIpv4InNetworkOrder) {
  std::uint32_t length = 0;
  const sockaddr_storage storage = translated({IpEndpoint::parse("192.0.2.1:8080"), ""}, length);
  ASSERT_EQ(length, sizeof(sockaddr_in));
  sockaddr_in v4{};
  std::memcpy(&v4, &storage, sizeof(v4));
  EXPECT_EQ(v4.sin_family, AF_INET);
  EXPECT_EQ(ntohs(v4.sin_port), 8080);
  EXPECT_EQ(ntohl(v4.sin_addr.s_addr), 0xc0000201u);
}

TEST(AddressTranslation, IpEndpointsComeBack) {
  for (const char* text :
       {"192.0.2.1:8080", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:443", "[::]:1"}) {
    const auto endpoint = IpEndpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    std::uint32_t length = 0;
    const sockaddr_storage storage = translated({endpoint, ""}, length);
    EXPECT_EQ(endpoint_in(storage, length), endpoint) << text;
    EXPECT_EQ(to_unix_path(storage, length), std::nullopt) << text;
  }
}

TEST(AddressTranslation, ReadsAMappedAddressAsIpv4) {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(80);
  v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
  v6.sin6_addr.s6_addr[12] = 127;
  v6.sin6_addr.s6_addr[15] = 1;
  sockaddr_storage storage{};
  std::memcpy(&storage, &v6, sizeof(v6));
  EXPECT_EQ(endpoint_in(storage, sizeof(v6)), IpEndpoint::parse("127.0.0.1:80"));
}

TEST(AddressTranslation, DoesNotReadBeyondTheLength) {
  std::uint32_t length = 0;
  const sockaddr_storage v4 = translated({IpEndpoint::parse("192.0.2.1:80"), ""}, length);
  EXPECT_EQ(endpoint_in(v4, length - 1), std::nullopt);
  EXPECT_EQ(endpoint_in(v4, 0), std::nullopt);
  const sockaddr_storage v6 = translated({IpEndpoint::parse("[::1]:80"), ""}, length);
  EXPECT_EQ(endpoint_in(v6, length - 1), std::nullopt);
}

TEST(AddressTranslation, UnixPathsComeBackUpToTheLongest) {
  for (const std::string& path :
       {std::string("/run/web.sock"), "/" + std::string(SocketAddress::max_path_length - 1, 'x')}) {
    std::uint32_t length = 0;
    const sockaddr_storage storage = translated({std::nullopt, path}, length);
    ASSERT_GT(length, 0u);
    EXPECT_EQ(to_unix_path(storage, length), path);
    EXPECT_EQ(endpoint_in(storage, length), std::nullopt);
  }
}

TEST(AddressTranslation, RefusesPathsThatNoSocketCanHave) {
  sockaddr_storage storage{};
  EXPECT_EQ(to_system_address({std::nullopt, ""}, storage), 0u);
  EXPECT_EQ(
      to_system_address({std::nullopt, "/" + std::string(SocketAddress::max_path_length, 'x')}, storage), 0u);
}

TEST(AddressTranslation, UnnamedAndAbstractSocketsHaveNoPath) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  sockaddr_storage storage{};
  std::memcpy(&storage, &address, sizeof(address));
  EXPECT_EQ(to_unix_path(storage, sizeof(sa_family_t)), std::nullopt);
  address.sun_path[1] = 'a';
  std::memcpy(&storage, &address, sizeof(address));
  EXPECT_EQ(to_unix_path(storage, sizeof(sa_family_t) + 2), std::nullopt);
}

}  // namespace
}  // namespace portshare
