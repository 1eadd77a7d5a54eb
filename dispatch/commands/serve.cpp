#include "dispatch/commands/serve.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "platform/signals.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

void wait_for_termination() {
  for (;;) {
    const auto signal = wait_for_signal();
    if (signal == Signal::terminate) return;
    if (signal == Signal::reload)
      spdlog::warn("SIGHUP: reload is not supported yet; the configuration stays as it is");
    if (signal == Signal::upgrade)
      spdlog::warn("SIGUSR2: upgrade is not supported yet; this program goes on");
  }
}

}  // namespace

void serve_until_signalled(Dispatcher& dispatcher, const Config& config,
                           const ServiceManager& service_manager) {
  wait_for_termination();
  service_manager.stopping();
  spdlog::info("shutting down: no new connections; those that run have {} ms",
               config.server.shutdown_timeout.count());

  std::atomic<bool> finished = false;
  dispatcher.drain([&finished] {
    finished = true;
    wake_signal_waiter();
  });
  const auto deadline = steady_clock::now() + config.server.shutdown_timeout;
  bool terminated = false;
  while (!finished) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    const bool is_late = left <= milliseconds{0};
    const auto signal = terminated ? wait_for_signal() : wait_for_signal(std::max(left, milliseconds{0}));
    if (terminated || finished || (signal != Signal::terminate && !is_late)) continue;
    spdlog::warn(signal ? "shutting down: told again; ending all connections now"
                        : "shutting down: the time is over; ending all connections now");
    dispatcher.terminate();
    terminated = true;
  }
}

}  // namespace portshare
