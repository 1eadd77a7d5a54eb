// Sockets that the service manager has bound.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include "platform/address_translation.h"
#include "platform/listening_socket.h"
#include "platform/socket_channel.h"
#include "tests/platform/temporary_folder.h"

namespace portshare {
namespace {

using testing::HasSubstr;

/// As the manager makes them: its own descriptor, which this test closes.
class ManagersSocket {
 public:
  ManagersSocket(int domain, int type, int protocol = 0)
      : descriptor_(::socket(domain, type | SOCK_CLOEXEC, protocol)) {}
  ManagersSocket(const ManagersSocket&) = delete;
  ManagersSocket& operator=(const ManagersSocket&) = delete;
  ~ManagersSocket() { ::close(descriptor_); }

  ManagersSocket& bind_to(const SocketAddress& address) {
    sockaddr_storage storage{};
    const socklen_t length = to_system_address(address, storage);
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<const sockaddr*>(&storage), length), 0);
    return *this;
  }
  ManagersSocket& listen() {
    EXPECT_EQ(::listen(descriptor_, 16), 0);
    return *this;
  }
  [[nodiscard]] Socket get() const { return Socket{descriptor_}; }
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

std::string refusal_of(Socket socket) {
  const auto prepared = prepare_passed_socket(socket);
  return prepared ? "" : prepared.error().message;
}

/// Whether somebody listens there.
bool is_answered(const SocketAddress& address) {
  sockaddr_storage storage{};
  const socklen_t length = to_system_address(address, storage);
  const int client = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = ::connect(client, reinterpret_cast<const sockaddr*>(&storage), length) == 0;
  ::close(client);
  return connected;
}

TEST(PassedSocket, ListensOnWhenWeHaveClosedOurs) {
  const TemporaryFolder folder;
  const SocketAddress path{.ip = std::nullopt, .unix_path = folder.file("socket")};
  const SocketAddress loopback{.ip = IpEndpoint::parse("127.0.0.1:0"), .unix_path = {}};
  for (const SocketAddress& wanted : {loopback, path}) {
    ManagersSocket passed(wanted.ip ? AF_INET : AF_UNIX, SOCK_STREAM);
    passed.bind_to(wanted).listen();
    const SocketAddress address = address_of_listening_socket(passed.get());
    for (int run = 0; run < 2; ++run) {
      const int descriptor = ::fcntl(passed.descriptor(), F_DUPFD_CLOEXEC, 0);  // as a new process has it
      const Socket own{descriptor};
      const auto prepared = prepare_passed_socket(own);
      ASSERT_TRUE(prepared) << prepared.error().message;
      EXPECT_TRUE(::fcntl(descriptor, F_GETFL) & O_NONBLOCK);
      EXPECT_TRUE(is_answered(address));
      const int accepted = ::accept(descriptor, nullptr, nullptr);
      EXPECT_GE(accepted, 0);
      if (wanted.ip) {
        int no_delay = 0;
        socklen_t length = sizeof no_delay;
        EXPECT_EQ(::getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &no_delay, &length), 0);
        EXPECT_EQ(no_delay, 1);
      }
      ::close(accepted);
      close_in_this_process(own);
      EXPECT_TRUE(is_answered(address)) << "by the queue of the manager's socket";
      ::close(::accept(passed.descriptor(), nullptr, nullptr));
    }
    EXPECT_TRUE(wanted.ip || std::filesystem::exists(wanted.unix_path));
  }
}

TEST(PassedSocket, MustListenForStreams) {
  const SocketAddress loopback{.ip = IpEndpoint::parse("127.0.0.1:0"), .unix_path = {}};
  EXPECT_THAT(refusal_of(ManagersSocket(AF_INET, SOCK_STREAM).bind_to(loopback).get()),
              HasSubstr("is not listening; its unit needs Accept=no"));
  EXPECT_THAT(refusal_of(ManagersSocket(AF_INET, SOCK_DGRAM).bind_to(loopback).get()),
              HasSubstr("is no stream socket; its unit needs ListenStream="));
  EXPECT_THAT(refusal_of(ManagersSocket(AF_UNIX, SOCK_SEQPACKET).get()), HasSubstr("is no stream socket"));
  EXPECT_EQ(refusal_of(Socket{STDERR_FILENO}), "is no socket");
}

TEST(PassedSocket, IsNoAbstractOne) {
  const ManagersSocket passed(AF_UNIX, SOCK_STREAM);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // Without a name the system chooses an abstract one.
  ASSERT_EQ(::bind(passed.descriptor(), reinterpret_cast<const sockaddr*>(&address), sizeof(sa_family_t)), 0);
  ASSERT_EQ(::listen(passed.descriptor(), 1), 0);
  EXPECT_THAT(refusal_of(passed.get()), HasSubstr("abstract unix socket"));
}

}  // namespace
}  // namespace portshare
