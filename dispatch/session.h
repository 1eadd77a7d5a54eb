// One client's connection from its accept to its end.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/ip_address.h"
#include "core/protocol.h"
#include "core/timer_wheel.h"
#include "dispatch/access_record.h"
#include "dispatch/admission.h"
#include "dispatch/announcement.h"
#include "dispatch/config.h"
#include "dispatch/control/connection_list.h"
#include "dispatch/control/metric_ids.h"
#include "dispatch/first_flight.h"
#include "dispatch/h2_exchange.h"
#include "dispatch/http_exchange.h"
#include "dispatch/moved_session.h"
#include "dispatch/outcome.h"
#include "dispatch/relay.h"
#include "dispatch/server_pool.h"
#include "dispatch/server_queue.h"
#include "dispatch/server_state.h"
#include "platform/loop.h"

namespace portshare {

class Worker;
class WorkerSnapshot;

/// A flat state machine; every transition stands in session.cpp, those between the requests of an HTTP/1
/// connection in session_http.cpp, what is particular to HTTP/2 in session_http2.cpp, what comes before the
/// route in session_first_flight.cpp and session_admission.cpp, the PROXY protocol in
/// session_proxy.cpp, and the way to a server in session_connect.cpp:
///
///     [proxy_header ▶] first_flight ──route──▶ [waiting ⇄] connecting ▶ [announcing ▶] relaying ──┐
///          │                │                      │           │              │                   │
///          └────────────────┴──no server──────┬────┴───────────┴──────────────┘                   │
///                                             ▼                                                   ▼
///                                  answering ▶ lingering ─────────────────────────────▶ terminating ▶
///                                  closing
///
/// By addresses alone there is no first flight to read, and behind the route comes `first_word`.
/// From `relaying` a session may also be `moving` to another process, in session_move.cpp, and one that
/// arrives from there begins with it.
///
/// There is one way to end, for an error, a deadline and the end of the program: terminate() cancels what is
/// pending, and when all operations have ended the sockets are closed, the access log gets its line and the
/// worker its session back. Belongs to its worker's thread.
class Session {
 public:
  /// Pins the snapshot.
  Session(Worker& worker, WorkerSnapshot& snapshot, std::uint32_t listener, Socket client);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start();
  /// Ends the session if it waits for a further request that may never come, or asks the client to.
  void drain();
  /// Ends the session now, whatever it does. No effect on one that is ending.
  void terminate(Outcome outcome, CloseMode mode);
  [[nodiscard]] bool is_http2() const { return http2_ != nullptr; }
  /// Hands itself to the worker's mover, if there is one, as soon as it can; to be asked again.
  void move_if_movable();
  /// The answer to that.
  void moved(bool is_taken);
  /// Instead of start(): goes on where it stopped in another process.
  void arrive(MovedSession moved);
  /// What it is served by, and pins until its end.
  [[nodiscard]] WorkerSnapshot& snapshot() const { return *snapshot_; }

  // The worker's list of its sessions.
  Session* next = nullptr;
  Session* previous = nullptr;
  std::uint64_t number = 0;  ///< among those of its worker, never used twice

  /// What there is to see of it now.
  void describe(ConnectionView& view) const;
  /// At its end: the memory of its names.
  [[nodiscard]] std::string take_text() { return std::move(names_); }

 private:
  enum class State : std::uint8_t {
    proxy_header,  ///< waiting for the header of a proxy in front of us
    first_flight,
    first_word,  ///< routed by addresses alone, looking for bytes that can go with the connect
    waiting,     ///< until a server has room: session_connect.cpp
    connecting,
    announcing,  ///< sending the server the header of ours, or closing one that would not take it
    relaying,
    moving,       ///< as relaying, but at rest, until another process has taken it or not
    switching,    ///< closing the server that the last request went to, to connect to the next one's
    answering,    ///< sending the client a refusal, or the end of the stream
    lingering,    ///< waiting for the client to have read it
    terminating,  ///< waiting for operations to end
    closing,
  };

  template <void (Session::*method)(Op&)>
  static void on_op(Op& op, void* session) {
    (static_cast<Session*>(session)->*method)(op);
  }
  void client_received(Op& op);
  void client_sent(Op& op);
  void server_received(Op& op);
  void server_sent(Op& op);
  void discard(Op& received);
  void timer_fired();

  void begin();
  /// Allow, deny and the limits of the listener, for the source as it is known now: session_admission.cpp.
  /// False: the session ends. After true it may still be `refused_as` something, and goes on only to learn in
  /// which language the client is to be told so.
  [[nodiscard]] bool admit();
  /// The limits alone; without a source, while it is still to be learnt, those of the listener as a whole.
  [[nodiscard]] bool take_place(const std::optional<IpAddress>& source);
  void watch_first_flight();
  void watch_rest_of_first_flight();
  void read_first_flight(Op& op);
  void first_receive_failed(Status status);
  void recognise(ByteView received);
  void first_flight_timed_out();
  void go_to_silent_backend();
  void route();
  void await_first_word(std::uint32_t backend);
  void read_first_word(Op& op);
  /// The backend of a connection or request; none: it has been refused.
  std::optional<std::uint32_t> find_backend(const RouteQuery& query);
  [[nodiscard]] std::optional<std::uint32_t> backend_of(const Route* route) const;
  void remember_names(const RouteQuery& query);

  // From the route to a server that takes the connection: session_connect.cpp.
  void connect_to(std::uint32_t backend);
  void connect_next(ServerQueue::Place place_if_full = ServerQueue::Place::last);
  void connect_to_server();
  [[nodiscard]] Opening opening_for(const Server& server) const;
  void connect_from_source(const Server& server, Opening opening);
  void try_another(Status status);
  void release_source();
  void connected(Op& op);
  void connect_failed(Status status);
  void wait_for_room(ServerQueue::Place place);
  void room_called();
  /// False: it has been called already.
  [[nodiscard]] bool leave_queue();
  [[nodiscard]] bool is_connected_to_ourselves();

  /// `sent_ahead`: so many of the client's bytes have gone with the connect.
  void start_relay(std::uint32_t sent_ahead);
  void watch_idleness();
  void resume_both();
  RelayDirection::Progress received_by(RelayDirection& direction, Op& op);
  void relayed(RelayDirection& direction, RelayDirection::Progress progress);
  /// What it has read is at its end, and has been sent.
  void end_direction(RelayDirection& direction);
  void source_failed(bool is_upstream);
  void sink_failed(RelayDirection& direction, bool is_upstream);
  void check_idle();

  // The PROXY protocol, in and out: session_proxy.cpp.
  void await_proxy_header();
  void read_proxy_header(Op& op);
  void begin_with_kept_bytes();
  void ended_without_proxy_header();
  void proxy_header_timed_out();
  void stayed_silent();
  void prepare_announcement(std::uint32_t backend, const RouteQuery& query);
  void announce(std::size_t sent_ahead);
  void send_announcement();
  void announced(Op& op);
  void release_announcement();

  // The requests of an HTTP/1 connection, one after the other: session_http.cpp.
  void forward_request();
  void request_paused();
  void request_malformed();
  void next_request();
  void follow_reload();
  [[nodiscard]] bool is_listener_gone() const;
  void switch_server();
  void response_paused();
  void response_malformed();
  void exchange_done();
  void client_ended();
  void server_ended();
  void server_gave_no_answer();
  void watch_partial_head();
  [[nodiscard]] bool is_request_passed() const;
  [[nodiscard]] bool is_response_passed() const;

  // To another process and from there: session_move.cpp.
  struct MoveFailure {
    bool is_upstream;
    RelayDirection::Progress progress;
  };
  [[nodiscard]] bool is_movable() const;
  void halted(RelayDirection& direction, bool is_intact, RelayDirection::Progress failure);
  void move_when_quiet();
  [[nodiscard]] MovedSession state_to_move() const;
  void stay();
  void go_on(const RelayDirection* failed);

  // A connection of HTTP/2: session_http2.cpp.
  void greet_http2();
  void greeting_sent(Op& op);
  void begin_http2(std::uint32_t backend);
  void announce_http2_end();
  void carry_on_http2();
  void http2_malformed(bool is_upstream);
  void refuse_http2(Outcome outcome);
  bool is_for_this_backend(const H2Request& request);
  void log_misdirected(const H2Request& request, const Route* route, Outcome outcome);

  void refuse(Outcome outcome);
  /// Sends `answer`, if there is any, and the end of the stream, and closes when the client has read them.
  void say_goodbye(Outcome outcome, ByteView answer);
  void send_answer();
  void answer_sent(Op& op);
  void await_client_end();
  void linger();
  void close_when_quiet();
  void closed();
  void release_first_flight();
  void release_first_buffer();
  void release_first_bytes();
  [[nodiscard]] std::string_view logged_name() const {
    return names_are_old_ ? std::string_view() : std::string_view(names_).substr(0, name_length_);
  }
  [[nodiscard]] std::string_view logged_alpn() const {
    return names_are_old_ ? std::string_view() : std::string_view(names_).substr(name_length_);
  }
  void log();
  // What it counts for the metrics: session_metrics.cpp.
  /// From now on, and with all of the present record that was not counted yet, bytes are that backend's.
  void count_for_backend(std::uint32_t metric_backend);
  void count_route(const Route* route);
  /// The present record is over: nobody's are the bytes from now on.
  void count_record();
  void count_failure();
  /// For the list of failures, while the client is there: where no rule asks for it, it is not known.
  void remember_source(Outcome outcome);
  void count_relay();
  /// With a server of this backend, from another process, which has counted what was before.
  void count_arrival(std::uint32_t backend);
  void count_departure();
  void count_server_left();
  void count_end();
  void count_bytes_in(std::uint64_t count);
  void count_bytes_out(std::uint64_t count);
  /// With what is the same for all records of the connection.
  [[nodiscard]] AccessRecord begin_record(std::chrono::microseconds duration) const;

  /// What few sessions need: an idle connection is to cost as little memory as it can.
  struct Extras {
    std::vector<std::uint32_t> tried;           ///< servers that have failed this connection or request
    std::vector<std::uint8_t> http2_answer;     ///< what answer_ is in, on a connection of HTTP/2
    SourcedAddress* sourced_address = nullptr;  ///< of a transparent connect
    std::uint64_t lingering_bytes = 0;
    std::uint64_t earlier_bytes_in = 0;  ///< of the requests before the present one
    std::uint64_t earlier_bytes_out = 0;
    std::uint64_t counted_ahead = 0;  ///< bytes of the present record that were counted in the last one
  };
  /// Made when they are first needed.
  Extras& extras() {
    if (!extras_) extras_ = std::make_unique<Extras>();
    return *extras_;
  }
  [[nodiscard]] std::span<const std::uint32_t> tried() const {
    return extras_ ? std::span<const std::uint32_t>(extras_->tried) : std::span<const std::uint32_t>();
  }

  /// For lists of connections.
  [[nodiscard]] std::string_view state_word() const;

  [[nodiscard]] Loop& loop() const;
  [[nodiscard]] const ListenerConfig& listener() const;
  [[nodiscard]] bool is_ending() const { return state_ == State::terminating || state_ == State::closing; }
  [[nodiscard]] bool is_quiet() const;

  Worker& worker_;
  WorkerSnapshot* snapshot_;
  Timer timer_;
  Op client_receive_;
  Op client_send_;
  Op server_receive_;  // also the close of the server's socket
  Op server_send_;     // also the connect
  RelayDirection upstream_;
  RelayDirection downstream_;

  State state_ = State::first_flight;
  Outcome outcome_ = Outcome::ok;
  CloseMode close_mode_ = CloseMode::orderly;
  CloseMode server_close_mode_ = CloseMode::orderly;  // reset: also where the client's side ends in order
  Protocol protocol_ = Protocol::any;
  TlsFlight tls_ = TlsFlight::none;
  bool knows_protocol_ = false;
  bool client_ended_ = false;
  bool goes_to_silent_ = false;
  bool is_greeted_ = false;         // with SETTINGS of ours
  bool awaits_first_word_ = false;  // of either side, where nobody has looked at the client's
  bool is_record_open_ = true;      // something has happened that the access log does not know yet
  std::optional<Outcome>
      failed_;  // one side is gone; what it had sent before is still being carried to the other
  std::optional<Outcome> refused_as_;  // over a limit: never routed, whatever the client sends
  std::optional<MoveFailure> move_failure_;
  Outcome connect_outcome_ = Outcome::unavailable;  // what the client is told when no server is left to try
  bool is_http1_ = false;
  bool names_are_old_ = false;  // of the last request, which has its line in the log already
  AdmissionPlace place_;
  ServerPlace server_place_;

  Socket client_;
  Socket server_ = Socket::none;
  FirstFlight* first_flight_ = nullptr;
  HttpExchange* exchange_ = nullptr;       // of a connection that carries HTTP/1, from its route on
  H2Exchange* http2_ = nullptr;            // of one that carries HTTP/2
  ServerQueue::Waiter* waiter_ = nullptr;  // in the queue of backend_, or called
  Announcement* announcement_ = nullptr;   // to the next server, from the route until it has it
  std::uint8_t* first_buffer_ =
      nullptr;  // of the receive that completed the first flight, until the relay takes it
  ByteView first_bytes_;
  ByteView answer_;
  std::unique_ptr<Extras> extras_;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;

  std::uint32_t listener_;
  std::uint32_t route_line_ = AccessRecord::none;
  std::uint32_t backend_ = AccessRecord::none;
  std::uint32_t server_index_ = AccessRecord::none;
  std::uint32_t attempts_left_ = 0;
  std::uint32_t next_backend_ = AccessRecord::none;  // while switching, and before the first word

  // By numbers of MetricIds.
  std::uint32_t metric_backend_ = MetricIds::none;            // whose the bytes are; none: nobody's yet
  std::uint32_t last_metric_backend_ = 0;                     // of the last record
  std::uint32_t connected_metric_backend_ = MetricIds::none;  // one of whose servers is connected

  std::optional<IpEndpoint> source_;
  std::optional<IpEndpoint> destination_;
  // For logs and lists: the name, and behind it the protocols that were offered.
  std::uint32_t name_length_ = 0;
  std::string names_;

  std::chrono::microseconds accepted_at_;
  std::chrono::microseconds started_at_;  // the accept, or the beginning of the present request
  std::chrono::microseconds first_flight_time_{-1};
  std::chrono::microseconds connect_started_{0};
  std::chrono::microseconds connect_time_{-1};
  std::chrono::microseconds last_activity_{0};
};

}  // namespace portshare
