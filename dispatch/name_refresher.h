// Looks the host names of servers up again and again.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/ip_address.h"
#include "core/timer_wheel.h"
#include "dispatch/config.h"
#include "dispatch/server_pool.h"
#include "platform/dns_resolver.h"
#include "platform/loop.h"
#include "platform/resolver.h"

namespace portshare {

/// Knows what each name in the configuration stands for. A name is looked up again after the `resolve` of its
/// backend (the shortest, if there are several), and sooner if the name server says that its answer is valid
/// for a shorter time, but not within a second. A name without any address is looked up every few seconds.
/// Who cannot be resolved any more keeps its addresses, and the log says so once. Belongs to the thread of
/// its loop.
class NameRefresher {
 public:
  /// As DnsResolver::look_up: `done` may be called on any thread, not after this is gone.
  using LookUp = std::function<void(const std::string& host, std::function<void(DnsResolver::Answer)> done)>;

  static constexpr std::chrono::milliseconds shortest_interval{1'000};
  static constexpr std::chrono::milliseconds retry_interval{5'000};  ///< of names without an address

  /// `changed` is called when a name stands for something else than before: now is the time for another pool.
  NameRefresher(Loop& loop, LookUp look_up, std::function<void()> changed);
  NameRefresher(const NameRefresher&) = delete;
  NameRefresher& operator=(const NameRefresher&) = delete;
  ~NameRefresher();

  /// The names in this configuration for which addresses_of() would ask.
  [[nodiscard]] std::vector<std::string> unknown_names(const Config& config) const;
  /// What is known of a name that is being followed, or what `otherwise` says, which is known from then on.
  [[nodiscard]] std::expected<std::vector<IpAddress>, std::string> addresses_of(const std::string& host,
                                                                                const HostLookup& otherwise);
  /// Looks up the unknown_names(), all at once. `done` is called when each has its answer, at once or within
  /// some seconds, and not after this is gone.
  void learn(const Config& config, std::function<void(HostAnswers)> done);
  /// What is known, and an error if nothing is.
  [[nodiscard]] std::expected<std::vector<IpAddress>, std::string> known(const std::string& host) const;
  /// Follows the names of this configuration, and forgets the others.
  void adopt(const Config& config);

 private:
  struct Name {
    Name(NameRefresher& owner, std::string name);

    NameRefresher& refresher;
    const std::string host;
    std::vector<IpAddress> addresses;       // empty: not known yet
    std::chrono::milliseconds interval{0};  // zero: never
    Timer timer;
    bool is_asked = false;
    bool is_failing = false;
  };

  Name& name_of(const std::string& host);
  /// None: the name is not followed, or has no address yet.
  [[nodiscard]] const std::vector<IpAddress>* followed_addresses_of(const std::string& host) const;
  void ask(Name& name);
  void look_up(const std::string& host, const std::function<void(const DnsResolver::Answer&)>& done);
  void answered(const std::string& host, const DnsResolver::Answer& answer);

  Loop& loop_;
  const LookUp look_up_;
  const std::function<void()> changed_;
  std::map<std::string, std::unique_ptr<Name>> names_;
  std::shared_ptr<const bool> life_ = std::make_shared<const bool>(true);  // what is posted asks for it
};

}  // namespace portshare
