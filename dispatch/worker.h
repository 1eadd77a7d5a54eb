// One worker: a loop, its acceptors and its sessions. Workers share nothing but what never changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "core/pool.h"
#include "dispatch/accept_balance.h"
#include "dispatch/acceptor.h"
#include "dispatch/access_log.h"
#include "dispatch/admission.h"
#include "dispatch/announcement.h"
#include "dispatch/config.h"
#include "dispatch/first_flight.h"
#include "dispatch/h2_exchange.h"
#include "dispatch/http_exchange.h"
#include "dispatch/server_pool.h"
#include "dispatch/session.h"
#include "platform/loop.h"

namespace portshare {

/// A socket that listens, and the listener of the configuration that it belongs to.
struct ListeningSocket {
  std::uint32_t listener;
  Socket socket;
  bool is_passed = false;  ///< by the service manager, whose address it is
};

struct WorkerOptions {
  std::uint32_t index = 0;  ///< among the workers
  std::size_t max_sessions =
      SIZE_MAX;  ///< accepting pauses there, so that descriptors are left for the servers' side
  AccessLogRing* access_log = nullptr;    ///< null: no access log
  std::function<void()> notify_log;       ///< called after a record was pushed; may be empty
  AcceptCounts* accept_counts = nullptr;  ///< shared with the other workers; null: there are none
  Admission* admission = nullptr;         ///< shared with the other workers; null: no listener has a limit
};

/// Everything here belongs to the thread that runs the loop. Config, servers and loop must outlive the
/// worker; the listening sockets are only borrowed.
class Worker {
 public:
  Worker(Loop& loop, const Config& config, const ServerPool& servers,
         const std::vector<ListeningSocket>& sockets, WorkerOptions options);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// Nothing may be pending: drained.
  ~Worker();

  void start();

  /// Stops accepting. Calls `stopped_accepting` when the listening sockets are no longer used, and `drained`
  /// when the last session has ended, too; both on the loop's thread.
  void drain(std::function<void()> stopped_accepting, std::function<void()> drained);
  /// Ends all sessions now; after drain() also those that an accept in flight still brings.
  void terminate_all();

  [[nodiscard]] std::size_t session_count() const { return sessions_.in_use(); }

  // For acceptors.
  void accepted(std::uint32_t listener, Socket client);
  void accept_failed(std::uint32_t listener, Status status, std::int32_t system_error);
  void acceptor_quiet();
  /// False: the others have taken less, and are to have the next ones. The worker will start() the acceptors
  /// again.
  [[nodiscard]] bool may_accept();

  // For sessions.
  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const ServerPool& servers() const { return servers_; }
  [[nodiscard]] std::uint32_t next_server(std::uint32_t backend) { return round_robin_.next(backend); }
  [[nodiscard]] Pool<FirstFlight>& first_flights() { return first_flights_; }
  [[nodiscard]] Pool<HttpExchange>& exchanges() { return exchanges_; }
  [[nodiscard]] Pool<Announcement>& announcements() { return announcements_; }
  [[nodiscard]] Pool<H2Exchange>& http2_exchanges() { return http2_exchanges_; }
  [[nodiscard]] bool is_draining() const { return draining_; }
  [[nodiscard]] bool logs_access() const { return options_.access_log != nullptr; }
  /// Whether a listener's connections have to be asked for their addresses, which are system calls.
  [[nodiscard]] bool needs_source(std::uint32_t listener) const { return needs_[listener].source; }
  [[nodiscard]] bool needs_destination(std::uint32_t listener) const { return needs_[listener].destination; }
  /// Null: the listener has no limits.
  [[nodiscard]] ListenerAdmission* admission(std::uint32_t listener) const {
    return options_.admission ? options_.admission->of(listener) : nullptr;
  }
  /// A connect has come back to this program. Says so now and then.
  void report_loop(std::uint32_t backend, const Server& server);
  /// One has lately: trying again would keep the circle going, since what came back is accepted and may be
  /// routed before its reset arrives.
  [[nodiscard]] bool is_known_loop(const Server& server) const {
    return loop_server_ == &server && loop_.now() < loop_known_until_;
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

  Loop& loop_;
  const Config& config_;
  const ServerPool& servers_;
  WorkerOptions options_;
  RoundRobin round_robin_;
  struct AddressNeeds {
    bool source;
    bool destination;
  };
  std::vector<AddressNeeds> needs_;  // by listener
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  Pool<Session> sessions_;
  Pool<FirstFlight> first_flights_;
  Pool<HttpExchange> exchanges_;
  Pool<Announcement> announcements_;
  Pool<H2Exchange> http2_exchanges_;
  Session* first_session_ = nullptr;
  AcceptBalance balance_;
  Timer rest_timer_;
  Timer resume_timer_;
  std::size_t pause_at_;  // sessions; the accepts in flight at that moment fill max_sessions at most
  const Server* loop_server_ = nullptr;
  std::chrono::microseconds loop_known_until_{0};
  std::chrono::microseconds next_loop_report_{0};
  bool paused_ = false;
  bool draining_ = false;
  bool terminating_ = false;
  std::function<void()> stopped_accepting_;
  std::function<void()> drained_;
};

}  // namespace portshare
