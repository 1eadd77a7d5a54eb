#include "platform/standard_streams.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

namespace portshare {

bool open_missing_standard_streams() {
  // open() takes the lowest number that is free, so that each closed one is filled in its turn.
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    if (::open("/dev/null", O_RDWR) != descriptor) return false;
  }
  return true;
}

bool is_stderr_journal() {
  // The variable alone says nothing: whoever starts us may have put a file in the place of the stream.
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat status{};
  if (!stream || ::fstat(STDERR_FILENO, &status) != 0) return false;
  return stream == std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

std::expected<void, std::string> flush_stdout() {
  const bool had_failed = std::ferror(stdout) != 0;
  if (std::fflush(stdout) != 0) return std::unexpected(std::generic_category().message(errno));
  if (had_failed) return std::unexpected(std::string("an earlier line was lost"));
  return {};
}

}  // namespace portshare
