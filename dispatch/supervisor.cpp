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
  digest_rules(config);
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
      drain_timer_([](void* self) { static_cast<Supervisor*>(self)->time_is_over(); }, this),
      stuck_timer_([](void* self) { static_cast<Supervisor*>(self)->stuck_time_is_over(); }, this) {}

Supervisor::~Supervisor() {
  signals_.reset();
  end_control();
  listener_watch_.reset();
  address_follower_.reset();
  takeover_.reset();    // brings sessions
  dispatcher_.reset();  // sends them
  upgrade_.reset();
  loop_.cancel(drain_timer_);
  loop_.cancel(stuck_timer_);
}

std::expected<void, std::string> Supervisor::start(Config config,
                                                   std::function<std::expected<void, std::string>()> on_bound,
                                                   std::unique_ptr<Takeover> takeover) {
  takeover_ = std::move(takeover);
  const auto shared = without_rules(std::move(config));
  control_ = std::make_unique<Control>(loop_, program_);
  DispatcherOptions options;
  options.passed_sockets = service_manager_.take_passed_sockets();
  if (takeover_) {
    options.inherited = takeover_->take_sockets();
    control_->inherit(takeover_->take_control_sockets());
  }
  options.on_bound = [&]() -> std::expected<void, std::string> {
    // Its addresses are bound with the others, by whom all are bound.
    if (auto opened = control_->adopt(shared->server); !opened) return opened;
    if (auto done = on_bound ? on_bound() : std::expected<void, std::string>(); !done) return done;
    return takeover_ ? takeover_->prepare() : std::expected<void, std::string>();
  };
  options.watchdog_timeout = service_manager_.watchdog_timeout();
  options.all_well = [this] { service_manager_.keep_alive(); };
  auto started = Dispatcher::start(shared, loop_, options);
  if (!started) {
    // What was bound here is gone when the program before hears of it, which then ends this one.
    end_control();
    if (takeover_) takeover_->failed(started.error());
    return std::unexpected(std::move(started.error()));
  }
  dispatcher_ = std::move(*started);
  address_follower_.emplace(*dispatcher_);
  listener_watch_.emplace(loop_, [this] {
    // Who drains has given its ports away.
    return dispatcher_->is_draining() ? std::vector<ListenerWatch::Own>{}
                                      : listening_sockets(*dispatcher_->snapshot());
  });
  if (takeover_) {
    takeover_->ready(*dispatcher_, [this] { loop_.post([this] { predecessor_stopped_accepting(); }); });
    dispatcher_->own_inherited();
    control_->own_inherited();
  }
  signals_.emplace([this](Signal signal) { loop_.post([this, signal] { signalled(signal); }); });
  return {};
}

void Supervisor::predecessor_stopped_accepting() {
  dispatcher_->predecessor_stopped_accepting();
  if (control_) control_->close_unused();
  if (!dispatcher_->is_draining()) tell_that_it_serves();
}

void Supervisor::run() {
  // While the program before is the service, the service manager does not listen to this one.
  if (!takeover_) tell_that_it_serves();
  loop_.run();
}

void Supervisor::tell_that_it_serves() const {
  service_manager_.status("serving");
  service_manager_.ready();
}

void Supervisor::signalled(Signal signal) {
  switch (signal) {
    case Signal::terminate:
      if (!has_deadline_) return shut_down();
      // systemd tells all processes of a unit again when the main one, our successor, has ended.
      if (terminated_ || (dispatcher_->is_handed_over() && upgrade_->has_successor_ended())) return;
      spdlog::warn("shutting down: told again; ending all connections now");
      return end_all();
    case Signal::reload:
      return reload([](const ReloadReport&) {});
    case Signal::open_logs_again:
      return dispatcher_->open_access_log_again();
    case Signal::upgrade:
      return upgrade({}, [](const auto&) {});
  }
}

void Supervisor::drain() {
  if (dispatcher_->is_draining()) return;
  spdlog::info("draining: no new connections; the program ends after the last one");
  begin_draining();
}

void Supervisor::shut_down() {
  has_deadline_ = true;
  if (dispatcher_->is_handed_over() && upgrade_->has_successor_crashed()) {
    // Nobody listens any more, and a service manager that is to start portshare again waits for our end.
    spdlog::warn("shutting down: the process that had taken over has crashed; ending all connections now");
    return end_all();
  }
  const std::chrono::milliseconds patience = dispatcher_->snapshot()->config->server.shutdown_timeout;
  spdlog::info("shutting down: no new connections; those that run have {} ms", patience.count());
  if (!dispatcher_->is_draining()) begin_draining();
  if (dispatcher_->is_handed_over()) dispatcher_->hasten();
  loop_.arm(drain_timer_, patience);
}

void Supervisor::upgrade(std::string program, std::function<void(std::expected<int, std::string>)> done) {
  if (!reloads_.empty()) {
    after_reloads_.push_back([this, program, done] { upgrade(program, done); });
    return;
  }
  if (upgrade_ || dispatcher_->is_draining()) {
    return done(std::unexpected(dispatcher_->is_draining() ? "this program is at its end"
                                                           : "an upgrade is under way already"));
  }
  if (program.empty()) program = path_of_this_program();
  spdlog::info("upgrade: starting '{}'", program);
  upgrade_done_ = std::move(done);
  upgrade_ =
      std::make_unique<Upgrade>(loop_,
                                Upgrade::Options{.program = std::move(program),
                                                 .variables = service_manager_.variables_for_successor(),
                                                 .sockets = dispatcher_->listening_sockets(),
                                                 .control_sockets = control_->sockets()},
                                [this](const Upgrade::Started& started) {
                                  // First, so that who has been told reaches the other program.
                                  upgraded(started);
                                  std::exchange(upgrade_done_, nullptr)(started);
                                });
}

void Supervisor::upgraded(const Upgrade::Started& started) {
  if (!started) {
    for (const std::string& line : lines_of(started.error())) spdlog::error("upgrade: {}", line);
    spdlog::error("upgrade: nothing has changed; this program goes on");
    loop_.post([this] {  // in a turn of its own: it is the one that calls
      upgrade_.reset();
      if (!reloads_.empty()) next_reload();
    });
    return;
  }
  spdlog::info("upgrade: process {} accepts connections; those that run here move to it", *started);
  service_manager_.main_process(*started);
  // Which listens to the other one from now on, and would complain about each word of ours.
  service_manager_ = ServiceManager();
  address_follower_.reset();
  dispatcher_->hand_over(
      [this](MovedSession session, std::function<void(bool)> answer) {
        upgrade_->move(std::move(session), std::move(answer));
      },
      [this] { upgrade_->stopped_accepting(); },
      [this] {
        spdlog::info("upgrade: the last connection has gone; this process ends");
        close_control([this] { loop_.stop(); });
      },
      [this] {
        const std::chrono::milliseconds patience = dispatcher_->snapshot()->config->server.shutdown_timeout;
        spdlog::error("upgrade: only a worker that is stuck is left in this process; it has {} ms",
                      patience.count());
        loop_.arm(stuck_timer_, patience);
      });
  decline_reloads(fmt::format("process {} has taken over meanwhile, and has read the file", *started));
  control_->lend_sockets();
  close_control([] {});
}

/// Connections of a worker that hangs stand still, wherever it ends.
void Supervisor::stuck_time_is_over() {
  if (!dispatcher_->only_stuck_workers_left()) return;
  spdlog::error("upgrade: a worker is stuck; this process ends without it, and its connections");
  loop_.stop();
}

void Supervisor::begin_draining() {
  if (upgrade_) {
    upgrade_.reset();  // the other program ends, too
    if (const auto done = std::exchange(upgrade_done_, nullptr)) {
      done(std::unexpected("this program has been told to end"));
    }
    decline_reloads("the program is shutting down");
  }
  service_manager_.stopping();
  service_manager_.status("shutting down: waiting for the last connections");
  dispatcher_->drain([this] { close_control([this] { loop_.stop(); }); });
}

void Supervisor::close_control(std::function<void()> closed) {
  if (!control_) return closed();
  control_closed_.push_back(std::move(closed));
  if (control_closed_.size() > 1) return;
  control_->stop([this] {
    // In a turn of its own: it is the one that calls.
    loop_.post([this] {
      control_.reset();
      for (const auto& each : std::exchange(control_closed_, {})) each();
    });
  });
}

void Supervisor::end_control() {
  close_control([] {});
  while (control_) loop_.run_once();
}

void Supervisor::time_is_over() {
  if (terminated_) return end_without_the_stuck();
  spdlog::warn("shutting down: the time is over; ending all connections now");
  end_all();
}

/// Once all was ended, only a worker that is stuck can keep the program from its end.
void Supervisor::end_without_the_stuck() {
  if (dispatcher_->watch().stuck_count() == 0) return loop_.arm(drain_timer_, std::chrono::seconds{1});
  spdlog::error("shutting down: a worker is stuck; ending without it");
  loop_.stop();
}

void Supervisor::end_all() {
  terminated_ = true;
  dispatcher_->terminate();
  loop_.arm(drain_timer_, std::chrono::seconds{1});
}

void Supervisor::reload(std::function<void(const ReloadReport&)> done) {
  if (dispatcher_->is_draining()) return done(failed_reload({"the program is shutting down"}));
  reloads_.push_back(std::move(done));
  if (reloads_.size() == 1 && !upgrade_) next_reload();
}

void Supervisor::next_reload() {
  service_manager_.reloading();
  // The file is read on this thread, and may be a large one: the whole of the watchdog's time is for that.
  if (dispatcher_->watch().stuck_count() == 0) service_manager_.keep_alive();
  reload_file([this](const ReloadReport& report) {
    program_.note(report);
    service_manager_.status(report.succeeded ? "serving the reloaded configuration"
                                             : "the last reload failed; serving the configuration before it");
    service_manager_.ready();
    const auto done = std::move(reloads_.front());
    reloads_.pop_front();
    if (!reloads_.empty()) {
      loop_.post([this] { next_reload(); });
    } else {
      for (const auto& each : std::exchange(after_reloads_, {})) loop_.post(each);
    }
    done(report);
  });
}

/// Those that wait for an upgrade, and what waits for them.
void Supervisor::decline_reloads(const std::string& why) {
  for (const auto& done : std::exchange(reloads_, {})) done(failed_reload({why}));
  for (const auto& each : std::exchange(after_reloads_, {})) loop_.post(each);
}

void Supervisor::reload_file(const std::function<void(const ReloadReport&)>& done) {
  ConfigResult result = read_config_file(dispatcher_->snapshot()->config->file);
  std::vector<std::string> warnings;
  std::vector<std::string> faults;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    (result.config ? warnings : faults).push_back(diagnostic.to_string());
  }
  if (!result.config) return done(failed_reload(std::move(faults)));
  for (const std::string& warning : warnings) spdlog::warn("reload: {}", warning);

  const auto after = without_rules(std::move(*result.config));
  const auto with_warnings = [done, warnings](ReloadReport report) {
    report.warnings = warnings;
    done(report);
  };
  dispatcher_->look_up_names(*after, [this, after, with_warnings](HostAnswers answers) {
    apply(after, std::move(answers), with_warnings);
  });
}

void Supervisor::apply(const std::shared_ptr<const Config>& after, HostAnswers answers,
                       const std::function<void(const ReloadReport&)>& done) {
  const auto before = dispatcher_->snapshot()->config;
  if (dispatcher_->is_draining()) return done(failed_reload({"the program is shutting down"}));
  const auto opened = control_->open(after->server);
  if (!opened) return done(failed_reload(lines_of(opened.error())));
  dispatcher_->reload(after, std::move(answers),
                      [this, before, after, done, opened = *opened](const Dispatcher::Outcome& outcome) {
                        const bool is_closing = !control_ || !control_closed_.empty();
                        if (!outcome) {
                          if (!is_closing) control_->discard(*opened);
                          return done(failed_reload(lines_of(outcome.error())));
                        }
                        if (!is_closing) control_->serve(after->server, *opened);
                        set_log_level(after->server.log.level);
                        address_follower_->look();
                        const ReloadReport report{
                            .succeeded = true, .changes = differences(*before, *after), .faults = {}};
                        spdlog::info("reload: {} is in force{}", after->file,
                                     report.changes.empty() ? ", and nothing is different" : "");
                        for (const std::string& change : report.changes) spdlog::info("reload: {}", change);
                        done(report);
                      });
}

}  // namespace portshare
