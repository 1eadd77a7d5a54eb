// Sockets that a test opens with options of its own choice.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdint>

#include "core/ip_address.h"
#include "platform/address_translation.h"
#include "platform/file_descriptor.h"

namespace portshare {

class TestSocket {
 public:
  TestSocket(int family, int type, int protocol = 0)
      : descriptor_(::socket(family, type | SOCK_CLOEXEC, protocol)) {}

  TestSocket& with(int level, int option, int value = 1) {
    EXPECT_EQ(::setsockopt(get(), level, option, &value, sizeof(value)), 0);
    return *this;
  }
  TestSocket& bind(const char* endpoint) {
    sockaddr_storage storage{};
    const socklen_t length = to_system_address({.ip = IpEndpoint::parse(endpoint), .unix_path = {}}, storage);
    if (storage.ss_family != family()) {  // an IPv4 address for a socket of IPv6 would be the mapped one
      ADD_FAILURE() << endpoint;
    }
    EXPECT_EQ(::bind(get(), reinterpret_cast<const sockaddr*>(&storage), length), 0) << endpoint;
    return *this;
  }
  TestSocket& bind(const char* address, std::uint16_t port) {
    const auto parsed = IpAddress::parse(address);
    return bind(IpEndpoint{.address = *parsed, .port = port}.to_string().c_str());
  }
  TestSocket& listen() {
    EXPECT_EQ(::listen(get(), 16), 0);
    return *this;
  }
  void connect(const IpEndpoint& to) {
    sockaddr_storage storage{};
    const socklen_t length = to_system_address({.ip = to, .unix_path = {}}, storage);
    EXPECT_EQ(::connect(get(), reinterpret_cast<const sockaddr*>(&storage), length), 0);
  }

  [[nodiscard]] int get() const { return descriptor_.get(); }
  [[nodiscard]] IpEndpoint local() const {
    sockaddr_storage storage{};
    socklen_t length = sizeof(storage);
    EXPECT_EQ(::getsockname(get(), reinterpret_cast<sockaddr*>(&storage), &length), 0);
    return to_endpoint(reinterpret_cast<const sockaddr&>(storage), length).value_or(IpEndpoint{});
  }
  [[nodiscard]] std::uint16_t port() const { return local().port; }
  [[nodiscard]] std::uint64_t inode() const {
    struct stat status{};
    EXPECT_EQ(::fstat(get(), &status), 0);
    return status.st_ino;
  }

 private:
  [[nodiscard]] int family() const {
    int value = 0;
    socklen_t length = sizeof(value);
    ::getsockopt(get(), SOL_SOCKET, SO_DOMAIN, &value, &length);
    return value;
  }
  FileDescriptor descriptor_;
};

inline TestSocket listening_on(const char* endpoint) {
  TestSocket socket(endpoint[0] == '[' ? AF_INET6 : AF_INET, SOCK_STREAM);
  socket.bind(endpoint).listen();
  return socket;
}

}  // namespace portshare
