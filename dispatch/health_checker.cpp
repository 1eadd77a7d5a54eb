#include "dispatch/health_checker.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <utility>

namespace portshare {

using std::chrono::ceil;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// Connects that fail bring checks forward, but no more often than this.
constexpr milliseconds shortest_pause{100};
// The first checks are spread over so much time at most.
constexpr milliseconds longest_start{100};

HealthQuestion question_for(const BackendConfig& backend, const Server& server) {
  const ServerAddress& configured = backend.servers[server.configured];
  HealthQuestion question;
  question.health = *backend.health;
  question.address = server.address;
  question.host = configured.host;
  question.host_field = server.address.ip ? configured.text : "localhost";
  question.proxy_header = backend.proxy_header;
  return question;
}

}  // namespace

HealthChecker::Target::Target(HealthChecker& owner, std::shared_ptr<ServerState> server)
    : checker(owner),
      state(std::move(server)),
      check(owner.loop_, Random(owner.random_.next()),
            [this](const HealthCheck::Result& result) { checker.checked(*this, result); }),
      timer(
          [](void* self) {
            auto* target = static_cast<Target*>(self);
            target->checker.due(*target);
          },
          this) {}

HealthChecker::HealthChecker(Loop& loop, ServerRegistry& registry, Random random)
    : loop_(loop), registry_(registry), random_(random) {
  registry_.bell()->connect([this, life = std::weak_ptr(life_)] {
    loop_.post([this, life] {
      if (!life.expired()) look_at_requests();
    });
  });
}

HealthChecker::~HealthChecker() {
  registry_.bell()->connect(nullptr);
  for (auto& [state, target] : targets_) stop(std::move(target));
  while (std::ranges::any_of(stopping_, [](const auto& target) { return target->check.is_running(); })) {
    loop_.run_once();
  }
}

void HealthChecker::adopt(const Config& config, const ServerPool& servers) {
  std::erase_if(stopping_, [](const auto& target) { return !target->check.is_running(); });
  auto before = std::exchange(targets_, {});
  for (std::uint32_t index = 0; index < servers.backend_count(); ++index) {
    const BackendConfig& backend = config.backends[index];
    if (!backend.health) continue;
    for (const Server& server : servers.servers(index)) {
      std::unique_ptr<Target>& target = targets_[server.state.get()];
      const auto known = before.find(server.state.get());
      HealthQuestion question = question_for(backend, server);
      if (known != before.end()) {
        target = std::move(known->second);
        before.erase(known);
        // What has changed counts from the next check on, which comes at its new time.
        const bool has_new_interval = target->question.health.interval != question.health.interval;
        target->question = std::move(question);
        if (has_new_interval) check_in(*target, about(target->question.health.interval));
        continue;
      }
      target = std::make_unique<Target>(*this, server.state);
      target->question = std::move(question);
      server.state->set_checked(true, loop_.now());
      const milliseconds spread = std::min(target->question.health.interval / 4, longest_start);
      check_in(*target, milliseconds{static_cast<std::int64_t>(
                            random_.below(static_cast<std::uint64_t>(spread.count()) + 1))});
    }
  }
  for (auto& [state, target] : before) {
    target->state->set_checked(false, loop_.now());
    stop(std::move(target));
  }
}

void HealthChecker::stop(std::unique_ptr<Target> target) {
  loop_.cancel(target->timer);
  target->check.stop();
  if (target->check.is_running()) stopping_.push_back(std::move(target));
}

milliseconds HealthChecker::about(milliseconds interval) {
  const auto twentieth = static_cast<std::uint64_t>(interval.count()) / 20;
  return interval - milliseconds{static_cast<std::int64_t>(twentieth)} +
         milliseconds{static_cast<std::int64_t>(random_.below(2 * twentieth + 1))};
}

void HealthChecker::check_in(Target& target, milliseconds delay) {
  target.next_at = loop_.now() + delay;
  loop_.arm(target.timer, delay);
}

void HealthChecker::due(Target& target) {
  if (target.check.is_running()) return;  // its end arms the timer again
  if (target.state->mode() == ServerState::Mode::disabled) {
    return check_in(target, about(target.question.health.interval));
  }
  target.check.start(target.question);
}

void HealthChecker::checked(Target& target, const HealthCheck::Result& result) {
  const HealthConfig& health = target.question.health;
  target.ended_at = loop_.now();
  check_in(target, about(health.interval));
  if (!result) return;
  const ServerState& state = *target.state;
  switch (target.state->checked(*result, health.rise, health.fall, loop_.now())) {
    case ServerState::Change::none:
      return;
    case ServerState::Change::went_down:
      spdlog::warn("backend '{}': server {} is down: {}", state.backend(), state.address(),
                   state.report().reason);
      return report_backend(state);
    case ServerState::Change::came_up:
      spdlog::info("backend '{}': server {} is up again: {} check{} succeeded", state.backend(),
                   state.address(), health.rise, health.rise == 1 ? " has" : "s have");
      return;
  }
}

/// Whoever loses the last server is to know at once.
void HealthChecker::report_backend(const ServerState& state) {
  const auto is_left = [&](const auto& entry) {
    return entry.first->backend() == state.backend() && entry.first->is_usable();
  };
  if (std::ranges::any_of(targets_, is_left)) return;
  spdlog::error("backend '{}': no server is left; its clients are refused", state.backend());
}

void HealthChecker::look_at_requests() {
  for (auto& [state, target] : targets_) {
    if (!target->state->take_check_request() || target->check.is_running()) continue;
    const microseconds earliest =
        target->ended_at + std::min(shortest_pause, target->question.health.interval);
    const microseconds at = std::max(earliest, loop_.now());
    if (at < target->next_at) check_in(*target, ceil<milliseconds>(at - loop_.now()));
  }
}

}  // namespace portshare
