// The running program: its listening sockets, its workers, its access log.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/siphash.h"
#include "dispatch/access_log.h"
#include "dispatch/config.h"
#include "dispatch/control/metric_ids.h"
#include "dispatch/health_checker.h"
#include "dispatch/listening_sockets.h"
#include "dispatch/name_refresher.h"
#include "dispatch/snapshot.h"
#include "dispatch/worker.h"
#include "dispatch/worker_watch.h"
#include "platform/dns_resolver.h"
#include "platform/engine.h"
#include "platform/loop.h"
#include "platform/resolver.h"
#include "platform/service_manager.h"

namespace portshare {

struct DispatcherOptions {
  std::vector<PassedSocket> passed_sockets;  ///< for "systemd:NAME"; the dispatcher owns them
  std::vector<ListeningSockets::Open> inherited =
      {};  ///< of the program whose place this one takes; likewise
  /// Called when every address is bound and the log is open, before a thread starts: privileges can be given
  /// up then. An error ends the start.
  std::function<std::expected<void, std::string>()> on_bound;
  /// If set, the service manager is to be told at least this often that all workers come round, by
  /// `all_well`.
  std::optional<std::chrono::microseconds> watchdog_timeout;
  std::function<void()> all_well;
  /// For a worker to begin with a session that another program hands over: see Dispatcher::take_over.
  std::chrono::milliseconds take_over_patience{2'000};
};

/// Binds every address of a configuration and serves it by as many workers as it says, each on a thread of
/// its own. Belongs to the control thread, on which `control` runs: all calls are made there, and all
/// callbacks come there.
class Dispatcher {
 public:
  /// What came of a change: nothing, or one or more sentences, a line each, and then all is as it was.
  using Outcome = std::expected<void, std::string>;

  /// Resolves servers, opens the access log, binds, starts the workers: when this returns, connections are
  /// being accepted. The error is one or more sentences, a line each; nothing is left behind then. `control`
  /// must outlive the dispatcher, and run for its callbacks to come.
  static std::expected<std::unique_ptr<Dispatcher>, std::string> start(std::shared_ptr<const Config> config,
                                                                       Loop& control,
                                                                       const DispatcherOptions& options = {});
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;
  /// Ends all connections now, if there are any left.
  ~Dispatcher();

  /// Serves what comes from now on by another configuration, with what it needs: servers resolved, addresses
  /// bound, the access log opened anew. Whatever fails, fails before anything has changed. Addresses that it
  /// shares with the one before stay bound without a break; connections that are open go on. `done` is called
  /// when all workers follow it. Changes are made one after the other. Workers and engine stay as they are.
  /// `answers`: what look_up_names() has found for this configuration; no other reload may come in between.
  void reload(std::shared_ptr<const Config> config, HostAnswers answers, std::function<void(Outcome)> done);
  /// Looks up the host names of a configuration that are not known yet, for seconds maybe. `done` is called
  /// at once if there are none.
  void look_up_names(const Config& config, std::function<void(HostAnswers)> done);
  /// The same for a part of the snapshot: `change` is called when its turn has come, with a copy of the
  /// present one, and alters it.
  void change(std::function<Outcome(Snapshot&)> change, std::function<void(Outcome)> done);
  /// For a file that was moved away. If it cannot be opened, the log says so and goes on into the old one.
  void open_access_log_again();
  /// Opens and closes listening sockets as the addresses of this host are now, for the wildcards with
  /// `except`. `done` gets whether there are some that could not be bound and may be later.
  void follow_addresses(std::function<void(bool is_waiting)> done);
  /// What is served at present.
  [[nodiscard]] const std::shared_ptr<const Snapshot>& snapshot() const { return snapshot_; }

  /// What the counters of the workers stand for.
  [[nodiscard]] const MetricRegistry& metric_names() const { return metric_names_; }

  /// Runs `task` on every worker's thread, and `done` when all have. Workers that have ended are left out,
  /// and so are those that are stuck, or are found to be before they could begin.
  void ask_workers(const std::function<void(Worker&)>& task, std::function<void()> done);

  /// Stops accepting, gives the ports back, and lets run what runs. `finished` is called when the last
  /// connection has ended.
  void drain(std::function<void()> finished);
  [[nodiscard]] bool is_draining() const { return draining_; }
  /// Gets a session that can go on in another program, on a worker's thread, and says later, on any thread,
  /// whether it does.
  using SessionSender = std::function<void(MovedSession session, std::function<void(bool is_taken)> answer)>;
  /// Instead of drain(), when another program accepts connections from the same sockets: they stay open
  /// there, and sessions go to `sender` as they become ready for it. The others run to their end here.
  /// `only_stuck_left` is called whenever none but workers that are stuck have not come to their end.
  void hand_over(const SessionSender& sender, std::function<void()> stopped_accepting,
                 std::function<void()> finished, std::function<void()> only_stuck_left);
  /// Then: connections that wait for a further request, and are not taken, end.
  void hasten();
  /// Another program has taken our place: clients have not been turned away, as with drain().
  [[nodiscard]] bool is_handed_over() const { return handed_over_ != nullptr; }
  [[nodiscard]] bool only_stuck_workers_left() const;

  // The other side of that.
  /// `inherited` sockets are this program's from now on.
  void own_inherited();
  /// The other program accepts nothing any more.
  void predecessor_stopped_accepting();
  /// `commit` is called on a worker's thread when the session can go on here, and has the last word. False:
  /// it said no, or the session cannot go on here, or the worker whose turn it was does not come round, nor
  /// the one after that; its sockets are still the caller's. To be called on one thread, which is neither a
  /// worker's nor the control thread, and waits.
  [[nodiscard]] bool take_over(MovedSession session, const std::function<bool()>& commit);
  /// The listening sockets, for the program that takes our place.
  [[nodiscard]] const std::vector<ListeningSockets::Open>& listening_sockets() const {
    return sockets_.all();
  }
  /// Ends all connections. After drain().
  void terminate();

  /// The states of the servers: what the operator and the checks say about them.
  [[nodiscard]] ServerRegistry& registry() { return *registry_; }

  [[nodiscard]] Engine engine() const { return engine_; }
  [[nodiscard]] std::size_t worker_count() const { return threads_.size(); }
  [[nodiscard]] const WorkerWatch& watch() const { return *watch_; }
  [[nodiscard]] Loop& control() { return control_; }

 private:
  /// A worker and its thread. The loop can be reached from outside as long as it runs.
  struct WorkerThread {
    std::mutex mutex;
    Loop* loop = nullptr;
    Worker* worker = nullptr;
    std::atomic<bool> is_late = false;  // did not come round for a session from another program
    std::thread thread;
  };
  struct Question;
  struct Arrival;
  struct Change {
    std::function<Outcome(Snapshot&)> make;
    std::function<void(Outcome)> done;
  };
  explicit Dispatcher(Loop& control);
  Outcome choose_engine(const Config& config);
  std::expected<ServerPool, std::string> resolve_servers(const Config& config, const HostAnswers& answers);
  void look_up(const std::string& host, std::function<void(DnsResolver::Answer)> done);
  void names_changed();
  void watch_servers();
  Outcome prepare(Snapshot& snapshot, std::shared_ptr<const Config> config, const HostAnswers& answers);
  Outcome start_workers();
  void watch_workers(const DispatcherOptions& options);
  bool ask_worker(std::size_t index, std::function<void()> answer);
  void found_stuck(std::size_t worker);
  void run_worker(WorkerThread& self, std::uint32_t index, std::size_t max_sessions,
                  std::promise<std::string> started);
  void make_next_change();
  void change_done(Outcome outcome);
  void on_control(std::function<void()> task);
  /// Has each running worker do something on its own thread; how many those are.
  std::size_t post(const std::function<void(Worker&)>& task);
  void worker_stopped_accepting();
  void worker_drained();
  void check_only_stuck_left();
  [[nodiscard]] std::size_t sessions_per_worker(std::size_t workers) const;

  Loop& control_;
  std::shared_ptr<const bool> life_ =
      std::make_shared<const bool>(true);  // what is posted to `control_` asks for it
  SipKey admission_key_;
  MetricRegistry metric_names_;
  std::optional<ServerRegistry> registry_;  // outlives the workers
  std::optional<DnsResolver> dns_;
  std::optional<NameRefresher> names_;
  std::optional<HealthChecker> health_;
  Engine engine_ = Engine::epoll;
  std::size_t descriptor_limit_ = 0;
  ListeningSockets sockets_;
  std::shared_ptr<const Snapshot> snapshot_;
  AccessLogFile access_log_file_;
  std::optional<AccessLog> access_log_;
  std::optional<AcceptCounts> accept_counts_;
  std::vector<std::unique_ptr<WorkerThread>> threads_;
  std::optional<WorkerWatch> watch_;
  std::vector<std::weak_ptr<Question>> questions_;  // of ask_workers
  std::deque<Change> changes_;                      // the first one is being made
  std::size_t accepting_workers_ = 0;
  std::size_t running_workers_ = 0;
  bool draining_ = false;
  std::function<void()> handed_over_;  // to be called when nothing is accepted here any more; null: not so
  std::function<void()> only_stuck_left_;
  std::chrono::milliseconds take_over_patience_{0};
  std::size_t next_worker_ = 0;  // for a session that is taken over
  std::function<void()> finished_;
};

}  // namespace portshare
