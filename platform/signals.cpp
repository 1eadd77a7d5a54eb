#include "platform/signals.h"

#include <csignal>
#include <initializer_list>

namespace portshare {

namespace {

sigset_t handled_signals() {
  sigset_t set{};
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) sigaddset(&set, number);
  return set;
}

}  // namespace

void block_signals() {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);
}

Signal wait_for_signal() {
  const sigset_t set = handled_signals();
  int number = 0;
  while (sigwait(&set, &number) != 0) {
  }
  switch (number) {
    case SIGHUP:
      return Signal::reload;
    case SIGUSR2:
      return Signal::upgrade;
    default:
      return Signal::terminate;
  }
}

}  // namespace portshare
