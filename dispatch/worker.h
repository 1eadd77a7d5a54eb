// One worker: a loop, its acceptors and its sessions. Workers share nothing but what never changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/pool.h"
#include "dispatch/accept_balance.h"
#include "dispatch/acceptor.h"
#include "dispatch/access_log.h"
#include "dispatch/announcement.h"
#include "dispatch/config.h"
#include "dispatch/control/connection_list.h"
#include "dispatch/control/worker_metrics.h"
#include "dispatch/first_flight.h"
#include "dispatch/h2_exchange.h"
#include "dispatch/http_exchange.h"
#include "dispatch/session.h"
#include "dispatch/snapshot.h"
#include "dispatch/worker_snapshot.h"
#include "platform/loop.h"

namespace portshare {

struct WorkerOptions {
  std::uint32_t index = 0;  ///< among the workers
  std::size_t max_sessions =
      SIZE_MAX;  ///< accepting pauses there, so that descriptors are left for the servers' side
  AccessLogRing* access_log = nullptr;    ///< null: no access log
  std::function<void()> notify_log;       ///< called after a record was pushed; may be empty
  AcceptCounts* accept_counts = nullptr;  ///< shared with the other workers; null: there are none
};

/// Everything here belongs to the thread that runs the loop. The loop must outlive the worker; the listening
/// sockets are only borrowed.
class Worker {
 public:
  Worker(Loop& loop, std::shared_ptr<const Snapshot> snapshot, WorkerOptions options);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// Nothing may be pending: drained.
  ~Worker();

  void start();

  /// Serves what comes from now on by this snapshot. Sockets that it shares with the one before go on without
  /// a break. What still waits in the queues of those that it no longer has is taken, for a moment, and
  /// served by the snapshot before; `adopted` is called, on the loop's thread, when they are not used any
  /// more. Not before the calls for earlier snapshots.
  void adopt(std::shared_ptr<const Snapshot> snapshot, std::function<void()> adopted);

  /// Stops accepting. Calls `stopped_accepting` when the listening sockets are no longer used, and `drained`
  /// when the last session has ended, too; both on the loop's thread.
  void drain(std::function<void()> stopped_accepting, std::function<void()> drained);
  /// The same, and sessions go to `mover` as they become ready for it, those that wait for a further request
  /// among them. To be called instead of drain().
  void hand_over(SessionMover mover, std::function<void()> stopped_accepting, std::function<void()> drained);
  /// After hand_over(): who waits for a further request, and is not taken by the other process, is to end.
  void hasten();
  /// Another process has stopped accepting from our sockets: see Acceptor::renew.
  void renew_accepts();
  /// A session from another process. `commit` is called when it can go on here, and has the last word. False:
  /// it said no, or there is no listener of the session's name, and nothing has happened.
  bool take_over(MovedSession& moved, const std::function<bool()>& commit = [] { return true; });
  /// Ends all sessions now; after drain() also those that an accept in flight still brings.
  void terminate_all();

  // For whoever looks at a running program: worker_report.cpp.
  [[nodiscard]] std::uint32_t index() const { return options_.index; }
  [[nodiscard]] WorkerReport report();
  /// Adds the connections that match, up to the limit, and counts the others that do.
  void list_connections(const ConnectionFilter& filter, ConnectionList& list) const;
  /// Resets those that match; how many they are.
  std::size_t end_connections(const ConnectionFilter& filter);

  [[nodiscard]] std::size_t session_count() const { return sessions_.in_use(); }

  // For acceptors.
  void accepted(WorkerSnapshot& snapshot, std::uint32_t listener, Socket client);
  void accept_failed(const ListenerConfig& listener, Status status, std::int32_t system_error);
  void acceptor_quiet();
  /// False: the others have taken less, and are to have the next ones. The worker will start() the acceptors
  /// again.
  [[nodiscard]] bool may_accept();

  // For both, who pin a snapshot as long as they use it.
  void unpin(WorkerSnapshot& snapshot);

  // For sessions.
  [[nodiscard]] Loop& loop() { return loop_; }
  /// The newest.
  [[nodiscard]] WorkerSnapshot& snapshot() const { return *snapshots_.back(); }
  [[nodiscard]] Pool<FirstFlight>& first_flights() { return first_flights_; }
  [[nodiscard]] Pool<HttpExchange>& exchanges() { return exchanges_; }
  [[nodiscard]] Pool<Announcement>& announcements() { return announcements_; }
  [[nodiscard]] Pool<H2Exchange>& http2_exchanges() { return http2_exchanges_; }
  [[nodiscard]] WorkerMetrics& metrics() { return metrics_; }
  /// Memory for a text of some length, if there is some that another session has given back.
  [[nodiscard]] std::string spare_text();
  void keep_text(std::string text);
  [[nodiscard]] Pool<ServerQueue::Waiter>& waiters() { return waiters_; }
  [[nodiscard]] Pool<SourcedAddress>& sourced_addresses() { return sourced_addresses_; }
  /// A connection that waits for a further request is to end instead.
  [[nodiscard]] bool is_draining() const { return draining_ && !mover_; }
  /// Either that, or its sessions go elsewhere.
  [[nodiscard]] bool has_stopped_accepting() const { return draining_; }
  [[nodiscard]] bool is_terminating() const { return terminating_; }
  [[nodiscard]] bool is_hastening() const { return hastening_; }
  /// Empty: sessions stay.
  [[nodiscard]] const SessionMover& mover() const { return mover_; }
  /// A connect has come back to this program. Says so now and then.
  void report_loop(const BackendConfig& backend, const Server& server);
  /// Says so now and then.
  void report_no_local_port(const Server& server);
  /// One has lately: trying again would keep the circle going, since what came back is accepted and may be
  /// routed before its reset arrives.
  [[nodiscard]] bool is_known_loop(const Server& server) const {
    return loop_server_ == server.address && loop_.now() < loop_known_until_;
  }
  void log(const AccessRecord& record, std::string_view name, std::string_view alpn);
  /// The session is gone after this.
  void finished(Session& session);

 private:
  void rest_over();
  void start_acceptors();
  void pause_accepting();
  void resume_accepting();
  void check_drained();
  void check_adopted();
  void stop_leaving();
  Session& add_session(WorkerSnapshot& snapshot, std::uint32_t listener, Socket client);
  void set_pause();
  [[nodiscard]] ConnectionView view_of(const Session& session) const;

  Loop& loop_;
  WorkerOptions options_;
  std::vector<std::unique_ptr<WorkerSnapshot>> snapshots_;  // in use; the newest is the last
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::vector<std::unique_ptr<Acceptor>> leaving_acceptors_;  // of sockets that are to be closed
  std::vector<std::function<void()>> adopted_;                // to be called when these are quiet
  Pool<Session> sessions_;
  Pool<FirstFlight> first_flights_;
  Pool<HttpExchange> exchanges_;
  Pool<Announcement> announcements_;
  Pool<H2Exchange> http2_exchanges_;
  Pool<ServerQueue::Waiter> waiters_;
  Pool<SourcedAddress> sourced_addresses_;
  Session* first_session_ = nullptr;
  WorkerMetrics metrics_;
  std::uint64_t last_number_ = 0;
  std::vector<std::string> spare_texts_;
  AcceptBalance balance_;
  Timer rest_timer_;
  Timer resume_timer_;
  Timer leaving_timer_;
  std::size_t pause_at_ = 0;  // sessions; the accepts in flight at that moment fill max_sessions at most
  SocketAddress loop_server_;
  std::chrono::microseconds loop_known_until_{0};
  std::chrono::microseconds next_loop_report_{0};
  std::chrono::microseconds next_port_report_{0};
  bool is_started_ = false;
  bool paused_ = false;
  bool draining_ = false;
  bool hastening_ = false;
  bool terminating_ = false;
  SessionMover mover_;
  std::function<void()> stopped_accepting_;
  std::function<void()> drained_;
};

}  // namespace portshare
