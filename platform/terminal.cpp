#include "platform/terminal.h"

#include <unistd.h>

namespace portshare {

bool stderr_is_terminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

}  // namespace portshare
