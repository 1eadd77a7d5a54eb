#include "platform/address_watcher.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "platform/file_descriptor.h"

namespace portshare {
namespace {

// An interface that comes up has several addresses.
constexpr std::chrono::milliseconds settle_time{20};

}  // namespace

std::expected<std::unique_ptr<AddressWatcher>, std::string> AddressWatcher::start(
    Loop& loop, std::function<void()> changed) {
  const auto failure = [](int error) {
    return std::unexpected("cannot follow the addresses of this host (NETLINK_ROUTE): " +
                           std::generic_category().message(error));
  };
  FileDescriptor descriptor(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!descriptor.is_open()) return failure(errno);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return failure(errno);
  }
  std::unique_ptr<AddressWatcher> watcher(
      new AddressWatcher(loop, Socket{descriptor.release()}, std::move(changed)));
  loop.receive(watcher->op_, watcher->socket_);
  return watcher;
}

AddressWatcher::AddressWatcher(Loop& loop, Socket socket, std::function<void()> changed)
    : loop_(loop),
      socket_(socket),
      changed_(std::move(changed)),
      op_([](Op&, void* self) { static_cast<AddressWatcher*>(self)->received(); }, this),
      settle_timer_([](void* self) { static_cast<AddressWatcher*>(self)->settled(); }, this) {}

AddressWatcher::~AddressWatcher() {
  changed_ = nullptr;
  loop_.cancel(settle_timer_);
  loop_.cancel(op_);
  while (!op_.is_idle()) loop_.run_once();
  loop_.close(op_, socket_, CloseMode::orderly);
  while (!op_.is_idle()) loop_.run_once();
}

void AddressWatcher::received() {
  if (std::uint8_t* buffer = op_.take_buffer()) loop_.buffers().release(buffer);
  if (!changed_) return;
  // A failure, such as ENOBUFS, is the kernel's word that messages were lost. Either way the next receive
  // waits for the timer, so that nothing can keep the loop busy.
  if (!settle_timer_.is_armed()) loop_.arm(settle_timer_, settle_time);
}

void AddressWatcher::settled() {
  // What comes from now on is about what the caller may not see yet.
  loop_.receive(op_, socket_);
  changed_();
}

}  // namespace portshare
