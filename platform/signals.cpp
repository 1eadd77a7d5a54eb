#include "platform/signals.h"

#include <unistd.h>

#include <csignal>
#include <initializer_list>
#include <utility>

namespace portshare {

namespace {

// To ourselves only; nobody outside has a reason to send it.
constexpr int wake_signal = SIGURG;

sigset_t set_of(std::initializer_list<int> numbers) {
  sigset_t set{};
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  return set;
}

sigset_t handled_signals() {
  return set_of({SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, wake_signal});
}

}  // namespace

void hold_requests() {
  const sigset_t set = set_of({SIGHUP, SIGUSR1, SIGUSR2});
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void block_signals() {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);
}

std::optional<Signal> wait_for_signal(std::optional<std::chrono::milliseconds> longest) {
  const sigset_t set = handled_signals();
  int number = 0;
  if (longest) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(*longest);
    const timespec limit{.tv_sec = seconds.count(),
                         .tv_nsec = std::chrono::nanoseconds(*longest - seconds).count()};
    number = sigtimedwait(&set, nullptr, &limit);
  } else {
    number = sigwaitinfo(&set, nullptr);
  }
  switch (number) {
    case SIGTERM:
    case SIGINT:
      return Signal::terminate;
    case SIGHUP:
      return Signal::reload;
    case SIGUSR1:
      return Signal::open_logs_again;
    case SIGUSR2:
      return Signal::upgrade;
    default:
      return std::nullopt;  // the time is over, a debugger stopped us, or somebody woke us
  }
}

void wake_signal_waiter() {
  kill(getpid(), wake_signal);
}

SignalThread::SignalThread(std::function<void(Signal)> handler)
    : thread_([this, handler = std::move(handler)] {
        while (!is_ending_) {
          if (const auto signal = wait_for_signal()) handler(*signal);
        }
      }) {}

SignalThread::~SignalThread() {
  is_ending_ = true;
  wake_signal_waiter();
  thread_.join();
}

}  // namespace portshare
