#include "platform/bind_trial.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "platform/address_translation.h"
#include "platform/socket_diag.h"
#include "platform/trial_listener.h"

namespace portshare {

namespace {

using std::chrono::steady_clock;

// If two sockets share connections at random, that one of them gets all should not happen in a lifetime.
constexpr unsigned connections_to_one = 16;
constexpr unsigned connections_to_both = 64;
constexpr unsigned most_ports_tried = 20;
constexpr std::chrono::seconds patience{1};

constexpr std::array options_of_this_system{ShareOption::none, ShareOption::reuse_address,
                                            ShareOption::reuse_port};

std::string failure(std::string_view what, int error) {
  return std::string(what) + ": " + std::generic_category().message(error);
}

/// A port that nobody has at any address; 0: there is none, and errno says why.
std::uint16_t find_free_port(bool has_ipv6) {
  sockaddr_storage storage{};
  socklen_t length = to_system_address(has_ipv6 ? TrialAddress::any : TrialAddress::any_v4, 0, storage);
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  const FileDescriptor placeholder(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (has_ipv6) {
    const int off = 0;
    ::setsockopt(placeholder.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  if (!placeholder.is_open() || ::bind(placeholder.get(), address, length) != 0 ||
      ::getsockname(placeholder.get(), address, &length) != 0)
    return 0;
  const auto endpoint = to_endpoint(*address, length);
  return endpoint ? endpoint->port : 0;
}

/// Opens the first socket on a port of its own. Between finding the port and binding it an outgoing
/// connection of another program may have got it, hence the repetition.
std::expected<std::uint16_t, std::string> open_first(LocalTrialListener& listener, const BindTrial& trial,
                                                     bool has_ipv6) {
  for (unsigned i = 0; i < most_ports_tried; ++i) {
    const std::uint16_t port = find_free_port(has_ipv6);
    if (port == 0) return std::unexpected(failure("no free port", errno));
    const ListenAttempt attempt = listener.open(trial.first, trial.addresses.first, port);
    if (attempt.succeeded()) return port;
    const int error = attempt.bind_error != 0 ? attempt.bind_error : attempt.listen_error;
    if (error != EADDRINUSE) return std::unexpected(failure("the first socket cannot listen", error));
  }
  return std::unexpected("the first socket gets no port: others take each before it");
}

/// A client's connection to 127.0.0.1, which waits for the peer no longer than `patience`. Closed: errno says
/// why.
FileDescriptor connect_to(std::uint16_t port) {
  sockaddr_storage storage{};
  const socklen_t length = to_system_address(TrialAddress::loopback, port, storage);
  FileDescriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!client.is_open()) return client;
  const timeval longest{.tv_sec = patience.count(), .tv_usec = 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof(longest));
  ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof(longest));
  if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    const int error = errno;
    client.close();
    errno = error;
  }
  return client;
}

/// Both ends of a connection over the port.
struct Connection {
  FileDescriptor client;
  FileDescriptor server;

  [[nodiscard]] bool is_open() const { return client.is_open() && server.is_open(); }

  [[nodiscard]] bool passes_bytes() const {
    char byte = 'x';
    return ::send(client.get(), &byte, 1, MSG_NOSIGNAL) == 1 && ::recv(server.get(), &byte, 1, 0) == 1 &&
           ::send(server.get(), &byte, 1, MSG_NOSIGNAL) == 1 && ::recv(client.get(), &byte, 1, 0) == 1;
  }

  /// The server's end closes first, so that TIME_WAIT is its. Its socket is closed only when it has seen the
  /// client's end, which is the moment when it enters that state.
  bool end_in_time_wait() {
    char byte = 0;
    ::shutdown(server.get(), SHUT_WR);
    const bool client_saw_it = ::recv(client.get(), &byte, 1, 0) == 0;
    client.close();
    const bool server_saw_it = ::recv(server.get(), &byte, 1, 0) == 0;
    server.close();
    return client_saw_it && server_saw_it;
  }
};

/// A host with very many of them keeps no more.
bool is_in_time_wait(std::uint16_t port) {
  const auto sockets = list_sockets(std::span(&port, 1), ListedSockets::all);
  return !sockets ||
         std::ranges::find(*sockets, LocalSocket::State::time_wait, &LocalSocket::state) != sockets->end();
}

Connection establish(const LocalTrialListener& listener, std::uint16_t port) {
  Connection connection{.client = connect_to(port), .server = {}};
  if (connection.client.is_open()) connection.server = listener.accept_one();
  return connection;
}

/// Makes connections, and counts who gets them. False: not all have arrived.
bool count_connections(std::uint16_t port, unsigned count, TrialListener& first, TrialListener& second,
                       BindOutcome& outcome) {
  std::vector<FileDescriptor> clients;
  clients.reserve(count);
  for (unsigned i = 0; i < count; ++i) {
    FileDescriptor client = connect_to(port);
    if (client.is_open()) {
      clients.push_back(std::move(client));
    } else if (errno == ECONNREFUSED) {
      ++outcome.refused;
    }
  }
  // The last segment of a handshake may still be on its way.
  const auto deadline = steady_clock::now() + patience;
  while (true) {
    outcome.first_got += first.accept_all();
    outcome.second_got += second.accept_all();
    if (outcome.first_got + outcome.second_got >= clients.size() || steady_clock::now() > deadline) break;
    std::this_thread::yield();
  }
  for (FileDescriptor& client : clients) reset_connection(client);
  return outcome.first_got + outcome.second_got + outcome.refused == count;
}

}  // namespace

std::span<const ShareOption> share_options() {
  return options_of_this_system;
}

std::string_view to_string(ShareOption option) {
  switch (option) {
    case ShareOption::none:
      return "none";
    case ShareOption::reuse_address:
      return "SO_REUSEADDR";
    case ShareOption::reuse_port:
      return "SO_REUSEPORT";
  }
  std::unreachable();
}

std::string_view to_string(TrialAddress address) {
  switch (address) {
    case TrialAddress::loopback:
      return "127.0.0.1";
    case TrialAddress::any_v4:
      return "0.0.0.0";
    case TrialAddress::any:
      return "[::]";
  }
  std::unreachable();
}

std::string error_name(int system_error) {
  const char* const name = ::strerrorname_np(system_error);
  return name != nullptr ? name : std::to_string(system_error);
}

BindTrials::BindTrials() = default;
BindTrials::BindTrials(BindTrials&&) noexcept = default;
BindTrials::~BindTrials() = default;

std::expected<BindTrials, std::string> BindTrials::start() {
  BindTrials trials;
  auto other_process = start_remote_trial_listener(TrialUser::same);
  if (!other_process) return std::unexpected(other_process.error());
  trials.other_process_ = std::move(*other_process);
  trials.other_user_ = start_remote_trial_listener(TrialUser::other);
  trials.same_process_ = std::make_unique<LocalTrialListener>();
  trials.has_ipv6_ = trials.same_process_->open(ShareOption::none, TrialAddress::any, 0).succeeded();
  trials.same_process_->close();
  return trials;
}

std::expected<TrialListener*, std::string> BindTrials::second_listener(SecondOwner owner) const {
  switch (owner) {
    case SecondOwner::same_process:
      return same_process_.get();
    case SecondOwner::other_process:
      return other_process_.get();
    case SecondOwner::other_user:
      if (!other_user_) return std::unexpected(other_user_.error());
      return other_user_->get();
  }
  std::unreachable();
}

std::expected<BindOutcome, std::string> BindTrials::attempt(const BindTrial& trial) {
  const auto owner = second_listener(trial.owner);
  if (!owner) return std::unexpected(owner.error());
  TrialListener& second = **owner;
  const bool needs_ipv6 =
      trial.addresses.first == TrialAddress::any || trial.addresses.second == TrialAddress::any;
  if (needs_ipv6 && !has_ipv6_) return std::unexpected("this system has no IPv6");

  LocalTrialListener first;
  const auto port = open_first(first, trial, has_ipv6_);
  if (!port) return std::unexpected(port.error());
  Connection connection;
  if (trial.use != PortUse::listening) {
    connection = establish(first, *port);
    if (!connection.is_open()) return std::unexpected(failure("no connection on loopback", errno));
    first.close();
  }
  if (trial.use == PortUse::time_wait && !connection.end_in_time_wait())
    return std::unexpected("the connection does not end in order");

  BindOutcome outcome{.second = second.open(trial.second, trial.addresses.second, *port)};
  if (trial.use == PortUse::time_wait && outcome.second.succeeded() && !is_in_time_wait(*port)) {
    second.close();
    return std::unexpected(
        "this host keeps no connection in TIME_WAIT at present: all of net.ipv4.tcp_max_tw_buckets are "
        "taken");
  }
  const bool both_listen = outcome.second.succeeded() && trial.use == PortUse::listening;
  const bool all_arrived = count_connections(*port, both_listen ? connections_to_both : connections_to_one,
                                             first, second, outcome);
  second.close();
  if (trial.use == PortUse::connected) {
    outcome.established_lives = connection.passes_bytes();
    reset_connection(connection.client);
  }
  if (outcome.second.bind_error == ECHILD) return std::unexpected("the helper process was killed");
  if (!all_arrived) return std::unexpected("connections on loopback get lost");
  return outcome;
}

}  // namespace portshare
