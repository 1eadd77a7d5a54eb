#include "platform/engine.h"

#include <cerrno>
#include <fstream>
#include <system_error>

#include "platform/epoll.h"
#include "platform/uring.h"

namespace portshare {

namespace {

// See io_uring_setup(2) for the errors; a container's seccomp filter answers EPERM (Docker) or ENOSYS.
EngineUnavailable why_no_io_uring(int error) {
  switch (error) {
    case EPERM:
    case EACCES: {
      int disabled = 0;
      std::ifstream("/proc/sys/kernel/io_uring_disabled") >> disabled;
      if (disabled == 2) return {"kernel.io_uring_disabled is 2", true};
      if (disabled == 1)
        return {"kernel.io_uring_disabled is 1, and this process is not in kernel.io_uring_group", true};
      return {"it is forbidden by a seccomp filter or a security policy (EPERM)", true};
    }
    case ENOSYS:
      return {"the kernel was built without it, or a seccomp filter hides it (ENOSYS)", true};
    case EINVAL:
      return {"the kernel is too old: it takes Linux 6.1 or later", true};
    default:
      return {"setting up the ring failed: " + std::generic_category().message(error), false};
  }
}

}  // namespace

std::string_view to_string(Engine engine) {
  return engine == Engine::io_uring ? "io_uring" : "epoll";
}

std::expected<std::unique_ptr<Backend>, EngineUnavailable> make_engine(Engine engine) {
  if (engine == Engine::io_uring) {
    auto backend = UringBackend::create();
    if (!backend) return std::unexpected(why_no_io_uring(backend.error()));
    return std::move(*backend);
  }
  auto backend = EpollBackend::create();
  if (!backend)
    return std::unexpected(EngineUnavailable{
        "setting up epoll failed: " + std::generic_category().message(backend.error()), false});
  return std::move(*backend);
}

std::optional<EngineUnavailable> probe_engine(Engine engine) {
  const auto backend = make_engine(engine);
  if (backend) return std::nullopt;
  return backend.error();
}

}  // namespace portshare
