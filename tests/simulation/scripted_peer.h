// One end of a connection that does what a script says, whatever the other end does.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/random.h"
#include "platform/loop.h"

namespace portshare {

struct PeerScript {
  // What it sends.
  std::string send = {};
  bool echo = false;                            ///< also sends back everything that it receives
  std::size_t send_after = 0;                   ///< begins once so many bytes have come
  bool send_after_end = false;                  ///< begins after the end of the peer's stream
  std::chrono::milliseconds send_delay{0};      ///< before the first send
  std::size_t chunk_max = 65536;                ///< each send offers 1 to so many bytes
  std::chrono::milliseconds send_pause_max{0};  ///< before each send

  // How it reads.
  bool reads = true;
  std::chrono::milliseconds receive_delay{0};      ///< before the first receive
  std::chrono::milliseconds receive_pause_max{0};  ///< before each receive

  // How it ends, once everything is sent.
  enum class Ending : std::uint8_t {
    half_close,  ///< ends its stream, reads to the end of the peer's, closes
    wait,        ///< reads to the end of the peer's stream, closes
    close,       ///< closes as soon as `close_after_received` bytes have come
  };
  Ending ending = Ending::half_close;
  std::size_t close_after_received = 0;
  std::optional<std::size_t> reset_after_sent = {};
  std::optional<std::size_t> reset_after_received = {};
  std::optional<std::chrono::milliseconds> patience = {};  ///< resets the connection after this time

  /// What a peer that knows a protocol makes of all that it has received.
  struct Reaction {
    std::string send = {};
    bool finished = false;              ///< there is no more to say: ends as scripted
    std::optional<Ending> ending = {};  ///< or like this
    bool resets = false;                ///< or by a reset, once everything is sent
  };
  /// Called at the start and with everything received so far after each receive, until it has finished or the
  /// peer's stream has ended.
  std::function<Reaction(const std::string& received)> react = {};
};

struct PeerRecord {
  enum class End : std::uint8_t {
    not_yet,
    as_scripted,  ///< the script came to its end
    reset_by_script,
    out_of_patience,
    aborted,  ///< by abort()
    failed,   ///< by `receive_status` or `send_status`
  };
  End end = End::not_yet;
  std::string received;
  std::size_t sent = 0;
  bool end_received = false;  ///< the peer ended its stream in order
  Status receive_status = Status::ok;
  Status send_status = Status::ok;
};

/// Starts with an open socket and closes it in the end. A lack of buffers is waited for. Stays where it is
/// until is_closed().
class ScriptedPeer {
 public:
  ScriptedPeer(Loop& loop, Random random, PeerScript script);
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;

  void start(Socket socket);
  /// Resets the connection, if it is still there.
  void abort();

  [[nodiscard]] bool is_closed() const { return closed_; }
  [[nodiscard]] const PeerRecord& record() const { return record_; }
  /// The socket that it was started with.
  [[nodiscard]] Socket socket() const { return socket_; }

 private:
  // A script never keeps more than this of an echo in hand, so that back-pressure reaches the peer.
  static constexpr std::size_t echo_limit = std::size_t{64} * 1024;

  void proceed();
  void react();
  void receive_more();
  void send_more();
  void come_to_the_end();
  void terminate(PeerRecord::End end, CloseMode mode);
  void close_when_idle();
  void on_received();
  void on_sent();
  [[nodiscard]] bool script_resets() const;
  [[nodiscard]] bool may_send() const;
  [[nodiscard]] std::size_t unsent() const { return outgoing_.size() - outgoing_sent_; }
  /// False if `timer` now runs for a random pause of up to `longest`, true if there is no pause.
  bool no_pause(Timer& timer, bool& paused, std::chrono::milliseconds longest);

  Loop& loop_;
  Random random_;
  const PeerScript script_;
  PeerRecord record_;
  Socket socket_ = Socket::none;
  std::string outgoing_;
  std::size_t outgoing_sent_ = 0;
  std::string chunk_;  // what the send in flight points to
  PeerScript::Ending ending_;
  bool finished_;
  bool resets_when_finished_ = false;
  bool shut_down_ = false;
  bool receive_paused_ = false;
  bool send_paused_ = false;
  bool terminating_ = false;
  bool closed_ = false;
  CloseMode close_mode_ = CloseMode::orderly;
  Op receive_;
  Op send_;
  Op close_;
  Timer receive_timer_;
  Timer send_timer_;
  Timer patience_timer_;
};

/// `count` bytes that repeat nowhere soon, so that lost, doubled and swapped bytes show.
std::string random_bytes(Random& random, std::size_t count);

}  // namespace portshare
