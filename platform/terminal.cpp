#include "platform/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace portshare {

bool stderr_is_terminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

std::optional<std::size_t> stdout_columns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return std::nullopt;
  return size.ws_col;
}

}  // namespace portshare
