#include "platform/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "platform/privileges.h"

namespace portshare {

std::expected<std::FILE*, std::string> open_log_file(const std::string& path, const std::string& owner) {
  constexpr int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK;
  constexpr mode_t readable_by_group = 0640;
  // Only what is new beyond doubt is given away: a link in its place may lead to anybody's file.
  int descriptor = ::open(path.c_str(), flags | O_EXCL, readable_by_group);
  const auto user = descriptor >= 0 && !owner.empty() ? find_user(owner) : std::unexpected(std::string{});
  if (user && !runs_as(*user) && ::fchown(descriptor, user->uid, user->gid) != 0) {
    const int error = errno;
    ::close(descriptor);
    return std::unexpected("it cannot be given to the user '" + owner +
                           "': " + std::generic_category().message(error));
  }
  if (descriptor < 0) descriptor = ::open(path.c_str(), flags, readable_by_group);
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
