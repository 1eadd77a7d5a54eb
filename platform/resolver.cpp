#include "platform/resolver.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "platform/address_translation.h"

namespace portshare {

std::expected<std::vector<IpAddress>, std::string> resolve_host(const std::string& host) {
  if (const auto literal = IpAddress::parse(host)) return std::vector{*literal};

  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found)) {
    return std::unexpected(
        "cannot resolve " + host + ": " +
        (error == EAI_SYSTEM ? std::generic_category().message(errno) : std::string(::gai_strerror(error))));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);

  std::vector<IpAddress> addresses;
  for (const addrinfo* entry = found; entry; entry = entry->ai_next) {
    const auto endpoint = to_endpoint(*entry->ai_addr, entry->ai_addrlen);
    if (endpoint && std::ranges::find(addresses, endpoint->address) == addresses.end())
      addresses.push_back(endpoint->address);
  }
  if (addresses.empty()) return std::unexpected("cannot resolve " + host + ": the name has no address");
  return addresses;
}

HostAnswers resolve_hosts(const std::vector<std::string>& hosts) {
  constexpr std::size_t most_threads = 32;
  HostAnswers answers;
  std::mutex mutex;
  std::atomic<std::size_t> next = 0;
  const auto resolve_some = [&] {
    for (std::size_t index = next++; index < hosts.size(); index = next++) {
      auto answer = resolve_host(hosts[index]);
      const std::lock_guard lock(mutex);
      answers.insert_or_assign(hosts[index], std::move(answer));
    }
  };
  std::vector<std::thread> threads;
  try {
    while (threads.size() + 1 < std::min(hosts.size(), most_threads)) threads.emplace_back(resolve_some);
  } catch (const std::system_error&) {
    // The system gives no more; those that there are do it.
  }
  resolve_some();
  for (std::thread& thread : threads) thread.join();
  return answers;
}

}  // namespace portshare
