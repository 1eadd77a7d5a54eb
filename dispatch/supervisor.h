// The control thread of a running program.
#pragma once

#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/timer_wheel.h"
#include "dispatch/address_follower.h"
#include "dispatch/config.h"
#include "dispatch/control/control.h"
#include "dispatch/control/running_program.h"
#include "dispatch/dispatcher.h"
#include "dispatch/listener_watch.h"
#include "dispatch/reload_report.h"
#include "dispatch/takeover.h"
#include "dispatch/upgrade.h"
#include "platform/loop.h"
#include "platform/resolver.h"
#include "platform/service_manager.h"
#include "platform/signals.h"

namespace portshare {

/// Starts the dispatcher, and does what the operator asks for by signals: SIGTERM drains, a second one ends
/// all at once, SIGHUP reloads. Everything here belongs to the thread that calls run(), whose loop is also
/// for whoever else has something to do beside the workers.
class Supervisor {
 public:
  /// `engine` drives the loop here, not the workers'. Signals must be blocked already. The service manager
  /// hears of start, reloads and end, and its sockets are there for the configuration.
  explicit Supervisor(std::unique_ptr<Backend> engine, ServiceManager service_manager = {});
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  ~Supervisor();

  /// When this returns, connections are being accepted. `on_bound` and the error: see Dispatcher::start.
  /// `takeover`: of the program whose place this one takes; null: of none.
  std::expected<void, std::string> start(Config config,
                                         std::function<std::expected<void, std::string>()> on_bound = {},
                                         std::unique_ptr<Takeover> takeover = nullptr);
  /// Serves until the program has been told to end and the last connection has ended. If that was because a
  /// worker is stuck, its thread is still there, and destroying this would wait for it.
  void run();

  /// Reads the file of the present configuration again, after the reloads or the upgrade that are under way.
  /// `done` is called with what came of it.
  void reload(std::function<void(const ReloadReport&)> done);
  /// Stops accepting; ends after the last connection.
  void drain();
  /// Starts `program`, an absolute path, or if it is empty the file of this one, which may be a newer version
  /// by now, and gives everything to it. `done` is called when it accepts connections, with its process, or
  /// when it has failed to, and nothing has changed. Reloads that are under way are waited for.
  void upgrade(std::string program, std::function<void(std::expected<int, std::string>)> done);
  /// Stops accepting, and ends in any case when the configuration's time is over.
  void shut_down();

  [[nodiscard]] Dispatcher& dispatcher() { return *dispatcher_; }
  [[nodiscard]] const Dispatcher& dispatcher() const { return *dispatcher_; }
  /// Others on our ports. After start().
  [[nodiscard]] const std::vector<SecondListener>& second_listeners() const {
    return listener_watch_->present();
  }
  [[nodiscard]] Loop& loop() { return loop_; }

 private:
  void next_reload();
  void decline_reloads(const std::string& why);
  void reload_file(const std::function<void(const ReloadReport&)>& done);
  void apply(const std::shared_ptr<const Config>& after, HostAnswers answers,
             const std::function<void(const ReloadReport&)>& done);
  void signalled(Signal signal);
  void time_is_over();
  void end_all();
  void end_without_the_stuck();
  void begin_draining();
  void close_control(std::function<void()> closed);
  void end_control();
  void upgraded(const Upgrade::Started& started);
  void tell_that_it_serves() const;
  void predecessor_stopped_accepting();
  void stuck_time_is_over();

  Loop loop_;
  ServiceManager service_manager_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::optional<AddressFollower> address_follower_;
  std::optional<ListenerWatch> listener_watch_;
  RunningProgram program_{*this};
  std::unique_ptr<Control> control_;                              // null: it is closed
  std::vector<std::function<void()>> control_closed_;             // to be called when it is
  std::deque<std::function<void(const ReloadReport&)>> reloads_;  // the first is under way, if no upgrade is
  std::vector<std::function<void()>> after_reloads_;
  std::unique_ptr<Takeover> takeover_;  // null: nobody was there before
  std::unique_ptr<Upgrade> upgrade_;    // null: none is under way
  std::function<void(const Upgrade::Started&)> upgrade_done_;
  std::optional<SignalThread> signals_;
  Timer drain_timer_;
  Timer stuck_timer_;  // after an upgrade
  bool has_deadline_ = false;
  bool terminated_ = false;
};

}  // namespace portshare
