#include "dispatch/address_follower.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace portshare {
namespace {

constexpr std::chrono::milliseconds retry_interval{1000};

bool has_exceptions(const Config& config) {
  return std::ranges::any_of(config.listeners,
                             [](const ListenerConfig& listener) { return !listener.except.empty(); });
}

}  // namespace

AddressFollower::AddressFollower(Dispatcher& dispatcher)
    : dispatcher_(dispatcher),
      retry_timer_([](void* self) { static_cast<AddressFollower*>(self)->look(); }, this) {
  auto watcher = AddressWatcher::start(dispatcher.control(), [this] { look(); });
  if (watcher) {
    watcher_ = std::move(*watcher);
  } else {
    // Only `except` needs it. A reload may bring one, and then looking now and then has to do.
    spdlog::log(has_exceptions(*dispatcher.snapshot()->config) ? spdlog::level::warn : spdlog::level::debug,
                "{}; looking every second instead", watcher.error());
  }
  look();  // for what came while the sockets were opened
}

AddressFollower::~AddressFollower() {
  life_.reset();
  dispatcher_.control().cancel(retry_timer_);
}

void AddressFollower::look() {
  dispatcher_.control().cancel(retry_timer_);
  if (dispatcher_.is_draining() || !has_exceptions(*dispatcher_.snapshot()->config)) return;
  looks_again_ = is_looking_;
  if (std::exchange(is_looking_, true)) return;
  dispatcher_.follow_addresses([this, life = std::weak_ptr(life_)](bool is_waiting) {
    if (life.expired()) return;
    is_looking_ = false;
    if (looks_again_) return look();
    if (is_waiting || !watcher_) dispatcher_.control().arm(retry_timer_, retry_interval);
  });
}

}  // namespace portshare
