// Names of hosts to addresses, by name servers and /etc/hosts, without making anybody wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/ip_address.h"

namespace portshare {

/// What a name stands for at present.
struct HostAddresses {
  std::vector<IpAddress> addresses;  ///< sorted, each once, at least one
  /// How long the answer is valid; none where nobody says so (/etc/hosts).
  std::optional<std::chrono::seconds> lifetime;
};

/// Asks by c-ares, on a thread of its own. It heeds /etc/resolv.conf, /etc/nsswitch.conf (files and dns) and
/// /etc/hosts, and reads them anew when it has been idle. Of addresses it leaves out what resolve_host()
/// leaves out.
class DnsResolver {
 public:
  using Answer = std::expected<HostAddresses, std::string>;

  /// Throws std::system_error if there can be no thread.
  DnsResolver();
  DnsResolver(const DnsResolver&) = delete;
  DnsResolver& operator=(const DnsResolver&) = delete;
  /// Gives up what is under way: who has asked is not answered any more.
  ~DnsResolver();

  /// `done` is called on the resolver's thread, once, within some seconds. The error is a sentence without a
  /// full stop. Thread-safe.
  void look_up(const std::string& host, std::function<void(Answer)> done);

 private:
  struct Request {
    std::string host;
    std::function<void(Answer)> done;
  };
  class Channel;

  void run();
  void wake();

  int wake_descriptor_;
  std::mutex mutex_;
  std::deque<Request> requests_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace portshare
