#include "platform/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace portshare {

std::expected<std::FILE*, std::string> open_log_file(const std::string& path) {
  constexpr mode_t readable_by_group = 0640;
  const int descriptor =
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, readable_by_group);
  if (descriptor < 0) {
    if (errno == ENXIO) return std::unexpected("it is a named pipe that nobody reads");
    return std::unexpected(std::generic_category().message(errno));
  }
  // Only the opening must not wait: whoever writes has a thread for that.
  std::FILE* file = ::fcntl(descriptor, F_SETFL, O_APPEND) == 0 ? ::fdopen(descriptor, "a") : nullptr;
  if (file) {
    (void)::setvbuf(file, nullptr, _IONBF, 0);
    return file;
  }
  const int error = errno;
  ::close(descriptor);
  return std::unexpected(std::generic_category().message(error));
}

}  // namespace portshare
