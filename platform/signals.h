// The signals with which an operator steers the program.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>

namespace portshare {

enum class Signal : std::uint8_t {
  terminate,        ///< SIGTERM, SIGINT
  reload,           ///< SIGHUP
  open_logs_again,  ///< SIGUSR1
  upgrade,          ///< SIGUSR2
};

/// Keeps SIGHUP, SIGUSR1 and SIGUSR2 until somebody waits for them: while a program starts they would end it.
/// SIGTERM may.
void hold_requests();

/// Keeps all of these signals for wait_for_signal, and ignores SIGPIPE. To be called before the first thread:
/// threads started later inherit it, and a signal that comes before anybody waits is not lost.
void block_signals();

/// Waits for the next one, at most `longest`; for one thread, usually the first. Signals of one kind that
/// come while none waits count once. None: the time is over, or wake_signal_waiter was called.
[[nodiscard]] std::optional<Signal> wait_for_signal(
    std::optional<std::chrono::milliseconds> longest = std::nullopt);

/// Ends the present or the next wait_for_signal, so that the thread which waits there can be told of other
/// events.
void wake_signal_waiter();

/// Waits for signals as long as it lives, on a thread of its own. One per program, after block_signals(), and
/// nobody else waits then.
class SignalThread {
 public:
  /// `handler` is called on that thread.
  explicit SignalThread(std::function<void(Signal)> handler);
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;
  ~SignalThread();

 private:
  std::atomic<bool> is_ending_ = false;
  std::thread thread_;
};

}  // namespace portshare
