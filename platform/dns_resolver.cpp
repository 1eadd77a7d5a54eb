#include "platform/dns_resolver.h"

#include <ares.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include "platform/address_translation.h"

namespace portshare {

namespace {

// A name server that does not answer is asked again after this time, and then after twice as much.
constexpr int first_timeout_ms = 2'000;
constexpr int tries = 2;

bool has_ipv6() {
  ifaddrs* interfaces = nullptr;
  if (::getifaddrs(&interfaces) != 0) return true;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(interfaces, &::freeifaddrs);
  for (const ifaddrs* entry = interfaces; entry; entry = entry->ifa_next) {
    const bool is_loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0;
    if (!is_loopback && entry->ifa_addr && entry->ifa_addr->sa_family == AF_INET6) return true;
  }
  return false;
}

void init_library() {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
}

}  // namespace

/// The names that are being asked for together, with the configuration as it was when the first one was.
class DnsResolver::Channel {
 public:
  Channel() {
    ares_options options{};
    options.timeout = first_timeout_ms;
    options.tries = tries;
    const int status = ares_init_options(&channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (status != ARES_SUCCESS) {
      channel_ = nullptr;
      error_ = ares_strerror(status);
    }
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() {
    if (channel_) ares_destroy(channel_);  // which ends what is under way, with ARES_EDESTRUCTION
  }

  [[nodiscard]] bool is_idle() const { return under_way_ == 0; }

  void ask(Request request) {
    if (!channel_) return request.done(std::unexpected("cannot resolve " + request.host + ": " + error_));
    ++under_way_;
    auto asked = std::make_unique<Asked>(Asked{.channel = *this, .request = std::move(request)});
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    const std::string& host = asked->request.host;
    ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, &Channel::answered, asked.release());
  }

  /// Waits until something happens, `wake_descriptor` becomes readable or a name server has taken too long.
  void wait(int wake_descriptor) {
    std::array<pollfd, ARES_GETSOCK_MAXNUM + 1> polled{};
    polled[0] = {.fd = wake_descriptor, .events = POLLIN, .revents = 0};
    nfds_t count = 1;
    int timeout_ms = -1;
    if (channel_ && !is_idle()) {
      std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
      const int wanted = ares_getsock(channel_, sockets.data(), ARES_GETSOCK_MAXNUM);
      for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
        const bool reads = (static_cast<unsigned>(wanted) >> i & 1U) != 0;
        const bool writes = (static_cast<unsigned>(wanted) >> (i + ARES_GETSOCK_MAXNUM) & 1U) != 0;
        if (!reads && !writes) continue;
        const auto events = static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
        polled[count++] = {.fd = sockets[i], .events = events, .revents = 0};
      }
      timeval left{};
      if (ares_timeout(channel_, nullptr, &left)) {
        timeout_ms = static_cast<int>(left.tv_sec * 1000 + left.tv_usec / 1000 + 1);
      }
    }
    const int ready = ::poll(polled.data(), count, timeout_ms);
    if (!channel_ || is_idle() || ready < 0) return;
    for (nfds_t i = 1; i < count; ++i) {
      const int events = polled[i].revents;
      const bool has_failed = (events & (POLLERR | POLLHUP)) != 0;
      const bool may_read = has_failed || (events & POLLIN) != 0;
      const bool may_write = has_failed || (events & POLLOUT) != 0;
      if (!may_read && !may_write) continue;
      ares_process_fd(channel_, may_read ? polled[i].fd : ARES_SOCKET_BAD,
                      may_write ? polled[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // who has taken too long
  }

 private:
  struct Asked {
    Channel& channel;
    Request request;
  };

  static void answered(void* argument, int status, int /*timeouts*/, ares_addrinfo* result) {
    const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> owner(result, &ares_freeaddrinfo);
    const std::unique_ptr<Asked> asked(static_cast<Asked*>(argument));
    --asked->channel.under_way_;
    if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) return;
    const std::string failure = "cannot resolve " + asked->request.host + ": ";
    if (status != ARES_SUCCESS) return asked->request.done(std::unexpected(failure + ares_strerror(status)));
    HostAddresses found = addresses_of(*result);
    if (found.addresses.empty()) {
      return asked->request.done(std::unexpected(failure + "the name has no address"));
    }
    asked->request.done(std::move(found));
  }

  static HostAddresses addresses_of(const ares_addrinfo& result) {
    HostAddresses found;
    const bool takes_ipv6 = has_ipv6();
    for (const ares_addrinfo_node* node = result.nodes; node; node = node->ai_next) {
      if (node->ai_family == AF_INET6 && !takes_ipv6) continue;
      const auto endpoint = to_endpoint(*node->ai_addr, node->ai_addrlen);
      if (!endpoint) continue;
      found.addresses.push_back(endpoint->address);
      if (node->ai_ttl <= 0) continue;
      const std::chrono::seconds lifetime{node->ai_ttl};
      found.lifetime = std::min(found.lifetime.value_or(lifetime), lifetime);
    }
    std::ranges::sort(found.addresses);
    const auto doubles = std::ranges::unique(found.addresses);
    found.addresses.erase(doubles.begin(), doubles.end());
    return found;
  }

  ares_channel channel_ = nullptr;
  std::string error_;
  std::size_t under_way_ = 0;
};

DnsResolver::DnsResolver() : wake_descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  init_library();
  thread_ = std::thread(&DnsResolver::run, this);
}

DnsResolver::~DnsResolver() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
  ::close(wake_descriptor_);
}

void DnsResolver::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_descriptor_, &one, sizeof(one));
}

void DnsResolver::look_up(const std::string& host, std::function<void(Answer)> done) {
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back({.host = host, .done = std::move(done)});
  }
  wake();
}

void DnsResolver::run() {
  std::optional<Channel> channel(std::in_place);
  for (;;) {
    channel->wait(wake_descriptor_);
    std::uint64_t woken = 0;
    [[maybe_unused]] const auto taken = ::read(wake_descriptor_, &woken, sizeof(woken));
    std::deque<Request> requests;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      requests = std::exchange(requests_, {});
    }
    if (!requests.empty() && channel->is_idle()) channel.emplace();  // reads the system's files again
    for (Request& request : requests) channel->ask(std::move(request));
  }
}

}  // namespace portshare
