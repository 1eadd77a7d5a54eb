// The way out: another program takes the place of this one.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dispatch/control/control_socket.h"
#include "dispatch/listening_sockets.h"
#include "dispatch/moved_session.h"
#include "platform/loop.h"
#include "platform/program_start.h"
#include "platform/socket_channel.h"

namespace portshare {

/// Starts the program, hands it the listening sockets, and when it has begun to accept connections, the
/// sessions, one after the other. All waiting is done on a thread of its own. Until the other program is
/// ready nothing has changed here, and should it not come up, nothing ever does.
class Upgrade {
 public:
  struct Options {
    std::string program;                          ///< its file
    std::vector<std::string> variables;           ///< added to its environment
    std::vector<ListeningSockets::Open> sockets;  ///< stay open here, too
    std::vector<ControlSocket> control_sockets;   ///< likewise
    std::chrono::milliseconds patience{60'000};   ///< for it to become ready
    /// For its answer to one session. A worker there that hangs takes a part of that; see
    /// DispatcherOptions::take_over_patience.
    std::chrono::milliseconds answer_patience{10'000};
  };
  /// Of a start: the process, or why there is none; one or more sentences, a line each.
  using Started = std::expected<int, std::string>;

  /// `started` is called on the thread of `control`, once, unless this is destroyed before.
  Upgrade(Loop& control, Options options, std::function<void(Started)> started);
  Upgrade(const Upgrade&) = delete;
  Upgrade& operator=(const Upgrade&) = delete;
  /// What has not been taken by now is answered with false. A program of which `started` has not told yet is
  /// ended.
  ~Upgrade();

  // After a start.
  /// Whether the other program has ended,
  [[nodiscard]] bool has_successor_ended() const { return program_->has_ended(); }
  /// and not in order.
  [[nodiscard]] bool has_successor_crashed();
  /// Nothing is accepted here any more.
  void stopped_accepting();
  /// `answer` is called on some other thread: whether the other program has taken the session. One that goes,
  /// or hangs, takes none from then on. Thread-safe.
  void move(MovedSession session, std::function<void(bool is_taken)> answer);

 private:
  struct Moving {
    MovedSession session;
    std::function<void(bool)> answer;
  };

  void fail(std::string why);
  void tell(Started outcome);
  void run();
  Started start();
  bool send_listeners();
  bool give(const MovedSession& session);
  std::optional<SocketChannel::Message> receive_answer();
  void lose();
  bool send_session(const MovedSession& session);
  bool send_bytes(const std::vector<std::uint8_t>& bytes);
  void move_sessions();

  Loop& control_;
  const Options options_;
  std::function<void(Started)> started_;
  Timer patience_timer_;
  SocketChannel channel_;
  bool has_told_ = false;  // `started_`
  // The thread's, as long as it runs.
  std::optional<StartedProgram> program_;
  bool is_there_ = true;
  std::atomic<bool> has_said_goodbye_ = false;  // the other program
  std::mutex mutex_;                            // of what follows
  std::condition_variable wake_;
  std::deque<Moving> moving_;
  bool has_stopped_accepting_ = false;
  bool is_idle_ = false;  // the thread waits for something to do, and not for the other program
  bool is_ending_ = false;
  std::shared_ptr<const bool> life_ =
      std::make_shared<const bool>(true);  // what is posted to `control_` asks for it
  std::thread thread_;
};

}  // namespace portshare
