// Checks the servers of all backends that want it, again and again.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "core/random.h"
#include "core/timer_wheel.h"
#include "dispatch/config.h"
#include "dispatch/health_check.h"
#include "dispatch/server_pool.h"
#include "platform/loop.h"

namespace portshare {

/// Keeps the states of the servers up to date, and says in the log who goes down and comes back. A server is
/// checked at its interval, give or take a twentieth, so that checks do not come in bursts; sooner when a
/// connect of a client has failed. Belongs to the thread of its loop.
class HealthChecker {
 public:
  /// Listens to the registry's bell. The registry must outlive this.
  HealthChecker(Loop& loop, ServerRegistry& registry, Random random);
  HealthChecker(const HealthChecker&) = delete;
  HealthChecker& operator=(const HealthChecker&) = delete;
  /// Runs the loop until the checks that are under way have ended, which does not take long.
  ~HealthChecker();

  /// Checks the servers of this pool from now on. Those that stay go on as they were.
  void adopt(const Config& config, const ServerPool& servers);

  /// Servers that are being checked, now or later.
  [[nodiscard]] std::size_t size() const { return targets_.size(); }

 private:
  struct Target {
    Target(HealthChecker& owner, std::shared_ptr<ServerState> server);

    HealthChecker& checker;
    std::shared_ptr<ServerState> state;
    HealthQuestion question;
    HealthCheck check;
    Timer timer;
    std::chrono::microseconds next_at{0};
    std::chrono::microseconds ended_at{0};
  };

  void stop(std::unique_ptr<Target> target);
  void due(Target& target);
  void checked(Target& target, const HealthCheck::Result& result);
  void check_in(Target& target, std::chrono::milliseconds delay);
  void look_at_requests();
  void report_backend(const ServerState& state);
  [[nodiscard]] std::chrono::milliseconds about(std::chrono::milliseconds interval);

  Loop& loop_;
  ServerRegistry& registry_;
  Random random_;
  std::map<const ServerState*, std::unique_ptr<Target>> targets_;
  std::vector<std::unique_ptr<Target>> stopping_;
  std::shared_ptr<const bool> life_ = std::make_shared<const bool>(true);  // what is posted asks for it
};

}  // namespace portshare
