// The way out: another program takes the place of this one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

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
    std::chrono::milliseconds patience{60'000};   ///< for it to become ready
  };
  /// Of a start: the process, or why there is none; one or more sentences, a line each.
  using Started = std::expected<int, std::string>;

  /// `started` is called on the thread of `control`, once.
  Upgrade(Loop& control, Options options, std::function<void(Started)> started);
  Upgrade(const Upgrade&) = delete;
  Upgrade& operator=(const Upgrade&) = delete;
  /// What has not been taken by now is answered with false.
  ~Upgrade();

  // After a start.
  /// Whether the other program has ended.
  [[nodiscard]] bool has_lost_successor() const { return channel_.has_hung_up(); }
  /// Nothing is accepted here any more, and the admin socket and the monitor address can be bound by the
  /// other program.
  void free_addresses();
  /// `answer` is called on some other thread: whether the other program has taken the session. Thread-safe.
  void move(MovedSession session, std::function<void(bool is_taken)> answer);

 private:
  struct Moving {
    MovedSession session;
    std::function<void(bool)> answer;
  };

  void fail(std::string why);
  void run(std::expected<StartedProgram, std::string> program);
  Started start(const StartedProgram& program);
  bool send_listeners();
  bool send_session(const MovedSession& session);
  bool send_bytes(const std::vector<std::uint8_t>& bytes);
  void move_sessions();

  Loop& control_;
  const Options options_;
  std::function<void(Started)> started_;
  Timer patience_timer_;
  SocketChannel channel_;
  std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  std::deque<Moving> moving_;
  bool addresses_are_free_ = false;
  bool is_idle_ = false;  // the thread waits for something to do, and not for the other program
  bool is_ending_ = false;
  std::shared_ptr<const bool> life_ =
      std::make_shared<const bool>(true);  // what is posted to `control_` asks for it
  std::thread thread_;
};

}  // namespace portshare
