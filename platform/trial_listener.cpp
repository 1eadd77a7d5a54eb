#include "platform/trial_listener.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <type_traits>
#include <utility>

#include "platform/address_translation.h"

namespace portshare {

namespace {

constexpr int backlog = 128;
constexpr int accept_timeout_ms = 1000;

int set_option(int descriptor, int level, int option, int value) {
  return ::setsockopt(descriptor, level, option, &value, sizeof(value)) == 0 ? 0 : errno;
}

int set_share_option(int descriptor, ShareOption option) {
  switch (option) {
    case ShareOption::none:
      return 0;
    case ShareOption::reuse_address:
      return set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    case ShareOption::reuse_port:
      return set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
  }
  std::unreachable();
}

// What goes over the channel to a helper, as one message each. Both ends are the same program.
struct Order {
  enum class Kind : std::uint8_t { open, accept_all, close } kind{};
  ShareOption option{};
  TrialAddress address{};
  std::uint16_t port = 0;
};
struct Answer {
  ListenAttempt attempt;
  std::uint32_t accepted = 0;
};

template <typename Message>
bool send_message(int channel, const Message& message) {
  static_assert(std::is_trivially_copyable_v<Message>);
  return ::send(channel, &message, sizeof(message), MSG_NOSIGNAL) == ssize_t{sizeof(message)};
}

template <typename Message>
bool receive_message(int channel, Message& message) {
  static_assert(std::is_trivially_copyable_v<Message>);
  ssize_t length = 0;
  do {
    length = ::recv(channel, &message, sizeof(message), 0);
  } while (length < 0 && errno == EINTR);
  return length == ssize_t{sizeof(message)};
}

Answer obey(const Order& order, LocalTrialListener& listener) {
  switch (order.kind) {
    case Order::Kind::open:
      return {.attempt = listener.open(order.option, order.address, order.port)};
    case Order::Kind::accept_all:
      return {.attempt = {}, .accepted = listener.accept_all()};
    case Order::Kind::close:
      listener.close();
      return {};
  }
  std::unreachable();
}

/// The life of a helper: orders until the channel is closed. The descriptors that it has inherited would keep
/// the other helper's channel open, and those of our caller.
[[noreturn]] void serve_orders(int inherited_channel, uid_t user) {
  constexpr int channel = STDERR_FILENO + 1;
  if (::dup2(inherited_channel, channel) < 0 || ::close_range(channel + 1, ~0U, 0) != 0) ::_exit(1);
  const int error = ::setresuid(user, user, user) == 0 ? 0 : errno;
  bool goes_on = send_message(channel, error) && error == 0;
  LocalTrialListener listener;
  Order order;
  while (goes_on && receive_message(channel, order)) goes_on = send_message(channel, obey(order, listener));
  ::_exit(0);
}

class RemoteTrialListener final : public TrialListener {
 public:
  RemoteTrialListener(FileDescriptor channel, pid_t pid) : channel_(std::move(channel)), pid_(pid) {}
  ~RemoteTrialListener() override {
    channel_.close();
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  RemoteTrialListener(const RemoteTrialListener&) = delete;
  RemoteTrialListener& operator=(const RemoteTrialListener&) = delete;

  /// 0, or the errno that has kept it from becoming the user it was to be.
  int await_start() {
    int error = 0;
    return receive_message(channel_.get(), error) ? error : ECHILD;
  }
  ListenAttempt open(ShareOption option, TrialAddress address, std::uint16_t port) override {
    return ask({.kind = Order::Kind::open, .option = option, .address = address, .port = port}).attempt;
  }
  std::uint32_t accept_all() override { return ask({.kind = Order::Kind::accept_all}).accepted; }
  void close() override { ask({.kind = Order::Kind::close}); }

 private:
  Answer ask(const Order& order) {
    Answer answer;
    if (!send_message(channel_.get(), order) || !receive_message(channel_.get(), answer))
      return {.attempt = {.bind_error = ECHILD}};  // somebody has killed it
    return answer;
  }

  FileDescriptor channel_;
  pid_t pid_;
};

}  // namespace

void reset_connection(FileDescriptor& connection) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  connection.close();
}

std::uint32_t to_system_address(TrialAddress address, std::uint16_t port, sockaddr_storage& result) {
  IpEndpoint endpoint{.address = {}, .port = port};
  switch (address) {
    case TrialAddress::loopback:
      endpoint.address = IpAddress::v4({127, 0, 0, 1});
      break;
    case TrialAddress::any_v4:
      endpoint.address = IpAddress::v4({});
      break;
    case TrialAddress::any:
      endpoint.address = IpAddress::v6({});
      break;
  }
  return to_system_address(SocketAddress{.ip = endpoint, .unix_path = {}}, result);
}

ListenAttempt LocalTrialListener::open(ShareOption option, TrialAddress address, std::uint16_t port) {
  sockaddr_storage storage{};
  const socklen_t length = to_system_address(address, port, storage);
  socket_ = FileDescriptor(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto failed_bind = [&](int error) {
    socket_.close();
    return ListenAttempt{.bind_error = error};
  };
  if (!socket_.is_open()) return failed_bind(errno);
  if (const int error = set_share_option(socket_.get(), option)) return failed_bind(error);
  if (address == TrialAddress::any) {
    // The default is a setting of the system's (net.ipv6.bindv6only).
    if (const int error = set_option(socket_.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0)) return failed_bind(error);
  }
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0)
    return failed_bind(errno);
  if (::listen(socket_.get(), backlog) == 0) return {};
  const int error = errno;
  socket_.close();
  return {.listen_error = error};
}

FileDescriptor LocalTrialListener::accept_one() const {
  pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  ::poll(&waiting, 1, accept_timeout_ms);
  return FileDescriptor(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

std::uint32_t LocalTrialListener::accept_all() {
  std::uint32_t accepted = 0;
  if (!socket_.is_open()) return accepted;
  while (true) {
    FileDescriptor connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection.is_open()) return accepted;
    reset_connection(connection);
    ++accepted;
  }
}

std::expected<std::unique_ptr<TrialListener>, std::string> start_remote_trial_listener(TrialUser user) {
  // By tradition this is "nobody", who owns nothing. Whoever is nobody already has to be somebody else.
  constexpr uid_t nobody = 65534;
  const uid_t present = ::geteuid();
  const uid_t other = present == nobody ? nobody - 1 : nobody;

  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return std::unexpected("no socket for a helper process: " + std::generic_category().message(errno));
  FileDescriptor ours(ends[0]);
  const FileDescriptor theirs(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return std::unexpected("no helper process: " + std::generic_category().message(errno));
  if (pid == 0) serve_orders(theirs.get(), user == TrialUser::other ? other : present);
  auto listener = std::make_unique<RemoteTrialListener>(std::move(ours), pid);
  const int error = listener->await_start();
  if (error == EPERM) return std::unexpected("needs root");
  if (error != 0)
    return std::unexpected("cannot become another user: " + std::generic_category().message(error));
  return listener;
}

}  // namespace portshare
