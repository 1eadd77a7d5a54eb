#include "dispatch/name_refresher.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace portshare {

using std::chrono::milliseconds;

namespace {

std::string list_of(const std::vector<IpAddress>& addresses) {
  std::string list;
  for (const IpAddress& address : addresses) {
    list.append(list.empty() ? "" : ", ");
    list.append(address.to_string());
  }
  return list;
}

}  // namespace

NameRefresher::Name::Name(NameRefresher& owner, std::string name)
    : refresher(owner),
      host(std::move(name)),
      timer(
          [](void* self) {
            auto* asked = static_cast<Name*>(self);
            asked->refresher.ask(*asked);
          },
          this) {}

NameRefresher::NameRefresher(Loop& loop, LookUp look_up, std::function<void()> changed)
    : loop_(loop), look_up_(std::move(look_up)), changed_(std::move(changed)) {}

NameRefresher::~NameRefresher() {
  for (auto& [host, name] : names_) loop_.cancel(name->timer);
}

NameRefresher::Name& NameRefresher::name_of(const std::string& host) {
  std::unique_ptr<Name>& name = names_[host];
  if (!name) name = std::make_unique<Name>(*this, host);
  return *name;
}

const std::vector<IpAddress>* NameRefresher::followed_addresses_of(const std::string& host) const {
  const auto known = names_.find(host);
  const bool is_followed = known != names_.end() && known->second->interval.count() != 0;
  return is_followed && !known->second->addresses.empty() ? &known->second->addresses : nullptr;
}

std::vector<std::string> NameRefresher::unknown_names(const Config& config) const {
  std::set<std::string> names;
  for (const BackendConfig& backend : config.backends) {
    for (const ServerAddress& server : backend.servers) {
      if (!server.address && followed_addresses_of(server.host) == nullptr) names.insert(server.host);
    }
  }
  return {names.begin(), names.end()};
}

std::expected<std::vector<IpAddress>, std::string> NameRefresher::addresses_of(const std::string& host,
                                                                               const HostLookup& otherwise) {
  if (const auto* const addresses = followed_addresses_of(host)) return *addresses;
  auto found = otherwise(host);
  if (!found) return found;
  std::ranges::sort(*found);
  name_of(host).addresses = *found;
  return found;
}

void NameRefresher::learn(const Config& config, std::function<void(HostAnswers)> done) {
  const std::vector<std::string> hosts = unknown_names(config);
  if (hosts.empty()) return done({});
  struct Lesson {
    std::function<void(HostAnswers)> done;
    std::size_t missing;
    HostAnswers answers = {};
  };
  const auto lesson = std::make_shared<Lesson>(Lesson{.done = std::move(done), .missing = hosts.size()});
  for (const std::string& host : hosts) {
    look_up(host, [host, lesson](const DnsResolver::Answer& answer) {
      if (answer)
        lesson->answers.emplace(host, answer->addresses);
      else
        lesson->answers.emplace(host, std::unexpected(answer.error()));
      if (--lesson->missing == 0) lesson->done(std::move(lesson->answers));
    });
  }
}

std::expected<std::vector<IpAddress>, std::string> NameRefresher::known(const std::string& host) const {
  const auto found = names_.find(host);
  if (found == names_.end() || found->second->addresses.empty()) {
    return std::unexpected(fmt::format("{} has no address yet", host));
  }
  return found->second->addresses;
}

void NameRefresher::adopt(const Config& config) {
  std::map<std::string, milliseconds> intervals;
  for (const BackendConfig& backend : config.backends) {
    for (const ServerAddress& server : backend.servers) {
      if (server.address) continue;
      const milliseconds interval = backend.resolve_interval();
      const auto [known, is_new] = intervals.try_emplace(server.host, interval);
      const bool is_shorter =
          interval.count() != 0 && (known->second.count() == 0 || interval < known->second);
      if (!is_new && is_shorter) known->second = interval;
    }
  }
  std::erase_if(names_, [&](auto& entry) {
    if (intervals.contains(entry.first)) return false;
    loop_.cancel(entry.second->timer);
    return true;
  });
  for (const auto& [host, interval] : intervals) {
    Name& name = name_of(host);
    const bool is_same = name.interval == interval;
    name.interval = interval;
    if (interval.count() == 0) {
      loop_.cancel(name.timer);
    } else if (!is_same && !name.is_asked) {
      loop_.arm(name.timer, name.addresses.empty() ? std::min(interval, retry_interval) : interval);
    }
  }
}

void NameRefresher::ask(Name& name) {
  name.is_asked = true;
  look_up(name.host, [this, host = name.host](const DnsResolver::Answer& answer) { answered(host, answer); });
}

/// Has the answer come on our own thread.
void NameRefresher::look_up(const std::string& host,
                            const std::function<void(const DnsResolver::Answer&)>& done) {
  look_up_(host, [this, done, life = std::weak_ptr(life_)](DnsResolver::Answer answer) {
    loop_.post([done, life, answer = std::move(answer)] {
      if (!life.expired()) done(answer);
    });
  });
}

void NameRefresher::answered(const std::string& host, const DnsResolver::Answer& answer) {
  const auto found = names_.find(host);
  if (found == names_.end()) return;  // a reload has done away with it
  Name& name = *found->second;
  name.is_asked = false;
  milliseconds next = name.interval;
  if (!answer && name.addresses.empty()) next = std::min(next, retry_interval);
  if (answer && answer->lifetime)
    next = std::min(next, std::max<milliseconds>(*answer->lifetime, shortest_interval));
  if (next.count() != 0) loop_.arm(name.timer, next);

  if (!answer) {
    if (std::exchange(name.is_failing, true)) return;
    spdlog::warn("{}; {}", answer.error(),
                 name.addresses.empty() ? "it is tried again"
                                        : fmt::format("its servers stay {}", list_of(name.addresses)));
    return;
  }
  if (std::exchange(name.is_failing, false)) spdlog::info("{} can be resolved again", host);
  if (answer->addresses == name.addresses) return;
  std::vector<IpAddress> gone;
  std::ranges::set_difference(name.addresses, answer->addresses, std::back_inserter(gone));
  spdlog::info("{} is {} now{}", host, list_of(answer->addresses),
               gone.empty() ? std::string() : fmt::format(", no longer {}", list_of(gone)));
  name.addresses = answer->addresses;
  changed_();
}

}  // namespace portshare
