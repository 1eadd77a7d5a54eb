#include "dispatch/listener_watch.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "dispatch/port_owner_text.h"
#include "platform/listening_socket.h"

namespace portshare {
namespace {

/// One of our sockets, as the kernel lists it.
struct Known {
  const ListenerWatch::Own* own;
  LocalSocket socket;
};

bool is_wildcard(const LocalSocket& socket) {
  return socket.local.address.is_unspecified();
}

bool are_at_the_same_place(const LocalSocket& one, const LocalSocket& other) {
  return one.local == other.local && one.interface == other.interface && one.takes_both == other.takes_both;
}

/// Which of two sockets the kernel prefers for a connection that both could have: the one with an address,
/// then the one bound to an interface, then the one of the connection's own family.
int preference(const LocalSocket& socket) {
  return (is_wildcard(socket) ? 0 : 4) + (socket.interface != 0 ? 2 : 0) + (socket.takes_both ? 0 : 1);
}

std::vector<std::uint16_t> ports_of(const std::vector<ListenerWatch::Own>& own) {
  std::vector<std::uint16_t> ports;
  for (const ListenerWatch::Own& each : own) {
    if (each.address.ip) ports.push_back(each.address.ip->port);
  }
  std::ranges::sort(ports);
  ports.erase(std::ranges::unique(ports).begin(), ports.end());
  return ports;
}

}  // namespace

std::string effect_text(const LocalSocket& ours, const PortOwner& theirs) {
  if (are_at_the_same_place(ours, theirs.socket)) {
    return fmt::format("takes a part of the connections to {}{}", address_text(theirs),
                       theirs.shares_port.value_or(false) ? " (SO_REUSEPORT)" : "");
  }
  if (preference(theirs.socket) < preference(ours)) {
    return fmt::format("listens on {}, and would get the connections to {} if this one did not listen",
                       address_text(theirs), ours.local.to_string());
  }
  return fmt::format("takes every connection to {}", address_text(theirs));
}

ListenerWatch::ListenerWatch(Loop& loop, OwnSockets own, std::chrono::milliseconds interval)
    : loop_(loop),
      own_(std::move(own)),
      interval_(interval),
      timer_([](void* self) { static_cast<ListenerWatch*>(self)->look(); }, this) {
  loop_.arm(timer_, interval_);
}

ListenerWatch::~ListenerWatch() {
  loop_.cancel(timer_);
}

void ListenerWatch::look() {
  const std::vector<Own> own = own_();
  const std::vector<std::uint16_t> ports = ports_of(own);
  std::vector<LocalSocket> listening;
  if (!ports.empty()) {
    auto listed = list_sockets(ports, ListedSockets::listening);
    if (!listed) {
      spdlog::warn("second listeners on our ports will not be noticed: {}", listed.error());
      return;
    }
    listening = std::move(*listed);
  }
  compare(own, listening);
  loop_.arm(timer_, interval_);
}

void ListenerWatch::compare(const std::vector<Own>& own, const std::vector<LocalSocket>& listening) {
  std::vector<Known> known;
  std::vector<LocalSocket> others;
  for (const LocalSocket& socket : listening) {
    const auto ours =
        std::ranges::find(own, socket.inode, [](const Own& each) { return inode_of(each.socket); });
    if (ours != own.end()) {
      known.push_back({.own = &*ours, .socket = socket});
    } else {
      others.push_back(socket);
    }
  }
  std::erase_if(present_, [&](const SecondListener& second) {
    const bool is_there = std::ranges::find(others, second.inode, &LocalSocket::inode) != others.end();
    if (!is_there) {
      spdlog::info("listener '{}': {} does not listen on {} any more", second.listener, second.holder,
                   second.address);
    }
    return !is_there;
  });
  std::erase_if(ours_after_all_, [&](std::uint64_t inode) {
    return std::ranges::find(others, inode, &LocalSocket::inode) == others.end();
  });
  for (const LocalSocket& other : others) {
    const auto is_known = [&](const SecondListener& second) { return second.inode == other.inode; };
    if (std::ranges::any_of(present_, is_known)) continue;
    if (std::ranges::find(ours_after_all_, other.inode) != ours_after_all_.end()) continue;
    // The nearest of ours: the very address, or the wildcard around it.
    const Known* nearest = nullptr;
    for (const Known& each : known) {
      if (!addresses_overlap(each.socket, other)) continue;
      if (nearest == nullptr || preference(each.socket) > preference(nearest->socket)) nearest = &each;
    }
    if (nearest == nullptr) continue;
    const PortOwner owner = std::move(identify(std::span(&other, 1)).front());
    if (std::ranges::find(owner.processes, own_pid(), &ProcessInfo::pid) != owner.processes.end()) {
      ours_after_all_.push_back(other.inode);
      continue;
    }
    SecondListener second{.listener = nearest->own->listener,
                          .address = address_text(owner),
                          .holder = owner_text(owner),
                          .effect = effect_text(nearest->socket, owner),
                          .inode = other.inode};
    spdlog::warn("listener '{}': a second program on its port: {} {}", second.listener, second.holder,
                 second.effect);
    present_.push_back(std::move(second));
  }
}

}  // namespace portshare
