#include "dispatch/supervisor.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "dispatch/config_difference.h"
#include "dispatch/config_reader.h"
#include "dispatch/error_log.h"
#include "platform/memory.h"

namespace portshare {

namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// A large file leaves as much memory behind as its rules take, once the routes are made.
std::shared_ptr<const Config> without_rules(Config config) {
  config.rule_digests = digests_of_rules(config);
  config.rules = {};
  return_unused_memory();
  return std::make_shared<const Config>(std::move(config));
}

std::vector<ListenerWatch::Own> listening_sockets(const Snapshot& snapshot) {
  std::vector<ListenerWatch::Own> own;
  own.reserve(snapshot.sockets.size());
  for (const auto& [listener, socket, address] : snapshot.sockets) {
    own.push_back(
        {.listener = snapshot.config->listeners[listener].name, .address = address, .socket = socket});
  }
  return own;
}

ReloadReport failed_reload(std::vector<std::string> faults) {
  for (const std::string& fault : faults) spdlog::error("reload: {}", fault);
  spdlog::error("reload: nothing has changed");
  return {.succeeded = false, .changes = {}, .faults = std::move(faults)};
}

}  // namespace

Supervisor::Supervisor(std::unique_ptr<Backend> engine, ServiceManager service_manager)
    : loop_(std::move(engine)),
      service_manager_(std::move(service_manager)),
      drain_timer_([](void* self) { static_cast<Supervisor*>(self)->time_is_over(); }, this) {}

Supervisor::~Supervisor() {
  signals_.reset();
  close_control([] {});
  while (control_) loop_.run_once();
  listener_watch_.reset();
  address_follower_.reset();
  watch_.reset();
  dispatcher_.reset();
  loop_.cancel(drain_timer_);
}

std::expected<void, std::string> Supervisor::start(
    Config config, std::function<std::expected<void, std::string>()> on_bound) {
  const auto present = without_rules(std::move(config));
  control_ = std::make_unique<Control>(loop_, program_);
  // With the rights with which the listeners are bound, and no answer before the loop runs.
  const auto open_control = [this, present, on_bound = std::move(on_bound)]() -> Dispatcher::Outcome {
    if (auto opened = control_->adopt(present->server); !opened) return opened;
    return on_bound ? on_bound() : Dispatcher::Outcome();
  };
  auto started = Dispatcher::start(
      present, loop_, {.passed_sockets = service_manager_.take_passed_sockets(), .on_bound = open_control});
  if (!started) return std::unexpected(std::move(started.error()));
  dispatcher_ = std::move(*started);
  watch_workers();
  address_follower_.emplace(*dispatcher_);
  listener_watch_.emplace(loop_, [this] {
    // Who drains has given its ports away.
    return dispatcher_->is_draining() ? std::vector<ListenerWatch::Own>{}
                                      : listening_sockets(*dispatcher_->snapshot());
  });
  signals_.emplace([this](Signal signal) { loop_.post([this, signal] { signalled(signal); }); });
  return {};
}

void Supervisor::watch_workers() {
  WorkerWatch::Options options;
  options.workers = dispatcher_->worker_count();
  options.ask = [this](std::size_t worker, std::function<void()> answer) {
    return dispatcher_->ask_worker(worker, std::move(answer));
  };
  if (const auto timeout = service_manager_.watchdog_timeout()) {
    // What is late by half of the time would come too late the next time.
    const auto half =
        std::max(std::chrono::floor<std::chrono::milliseconds>(*timeout / 2), std::chrono::milliseconds{1});
    options.interval = std::min(options.interval, half);
    options.patience = std::min(options.patience, half);
    options.all_come_round = [this] { service_manager_.keep_alive(); };
  }
  watch_.emplace(loop_, std::move(options));
}

void Supervisor::run() {
  service_manager_.status("serving");
  service_manager_.ready();
  loop_.run();
}

void Supervisor::signalled(Signal signal) {
  switch (signal) {
    case Signal::terminate:
      if (!has_deadline_) return shut_down();
      if (terminated_) return;
      spdlog::warn("shutting down: told again; ending all connections now");
      return end_all();
    case Signal::reload:
      return reload([](const ReloadReport&) {});
    case Signal::upgrade:
      spdlog::warn("SIGUSR2: upgrade is not supported yet; this program goes on");
      return;
  }
}

void Supervisor::drain() {
  if (dispatcher_->is_draining()) return;
  spdlog::info("draining: no new connections; the program ends after the last one");
  begin_draining();
}

void Supervisor::shut_down() {
  const std::chrono::milliseconds patience = dispatcher_->snapshot()->config->server.shutdown_timeout;
  spdlog::info("shutting down: no new connections; those that run have {} ms", patience.count());
  has_deadline_ = true;
  if (!dispatcher_->is_draining()) begin_draining();
  loop_.arm(drain_timer_, patience);
}

void Supervisor::begin_draining() {
  service_manager_.stopping();
  service_manager_.status("shutting down: waiting for the last connections");
  dispatcher_->drain([this] { close_control([this] { loop_.stop(); }); });
}

void Supervisor::close_control(std::function<void()> closed) {
  if (!control_) return closed();
  control_->stop([this, closed = std::move(closed)] {
    // In a turn of its own: it is the one that calls.
    loop_.post([this, closed] {
      control_.reset();
      closed();
    });
  });
}

void Supervisor::time_is_over() {
  if (terminated_) return;
  spdlog::warn("shutting down: the time is over; ending all connections now");
  end_all();
}

void Supervisor::end_all() {
  terminated_ = true;
  dispatcher_->terminate();
}

void Supervisor::reload(std::function<void(const ReloadReport&)> done) {
  service_manager_.reloading();
  // Names are looked up on this thread, and answers may be slow: the whole of the watchdog's time is for
  // that.
  if (watch_->stuck_count() == 0) service_manager_.keep_alive();
  reload_file([this, done = std::move(done)](const ReloadReport& report) {
    program_.note(report);
    service_manager_.status(report.succeeded ? "serving the reloaded configuration"
                                             : "the last reload failed; serving the configuration before it");
    service_manager_.ready();
    done(report);
  });
}

void Supervisor::reload_file(const std::function<void(const ReloadReport&)>& done) {
  const auto before = dispatcher_->snapshot()->config;
  ConfigResult result = read_config_file(before->file);
  std::vector<std::string> faults;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    if (result.config) {
      spdlog::warn("reload: {}", diagnostic.to_string());
    } else {
      faults.push_back(diagnostic.to_string());
    }
  }
  if (!result.config) return done(failed_reload(std::move(faults)));

  const auto after = without_rules(std::move(*result.config));
  if (dispatcher_->is_draining()) return done(failed_reload({"the program is shutting down"}));
  if (const auto opened = control_->adopt(after->server); !opened) {
    return done(failed_reload({opened.error()}));
  }
  dispatcher_->reload(after, [this, before, after, done](const Dispatcher::Outcome& outcome) {
    if (!outcome) {
      // What it had before was its own a moment ago.
      if (const auto back = control_->adopt(before->server); !back) spdlog::error("reload: {}", back.error());
      return done(failed_reload(lines_of(outcome.error())));
    }
    set_log_level(after->server.log.level);
    address_follower_->look();
    const ReloadReport report{.succeeded = true, .changes = differences(*before, *after), .faults = {}};
    spdlog::info("reload: {} is in force{}", after->file,
                 report.changes.empty() ? ", and nothing is different" : "");
    for (const std::string& change : report.changes) spdlog::info("reload: {}", change);
    done(report);
  });
}

}  // namespace portshare
