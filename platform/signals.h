// The signals with which an operator steers the program.
#pragma once

#include <cstdint>

namespace portshare {

enum class Signal : std::uint8_t {
  terminate,  ///< SIGTERM, SIGINT
  reload,     ///< SIGHUP
  upgrade,    ///< SIGUSR2
};

/// Keeps these signals for wait_for_signal, and ignores SIGPIPE. To be called first in main: threads started
/// later inherit it, and a signal that comes before anybody waits is not lost.
void block_signals();

/// Waits for the next one; for one thread, usually the first. Signals of one kind that come while none waits
/// count once.
[[nodiscard]] Signal wait_for_signal();

}  // namespace portshare
