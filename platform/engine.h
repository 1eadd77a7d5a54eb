// Which engine drives the sockets on Linux, and whether this system lets us use it.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "platform/backend.h"

namespace portshare {

enum class Engine : std::uint8_t { io_uring, epoll };

/// As the configuration writes it: "io_uring", "epoll".
std::string_view to_string(Engine engine);

struct EngineUnavailable {
  std::string reason;  ///< a clause for the log, e.g. "kernel.io_uring_disabled is 2"
  /// The kernel lacks or forbids the engine, so another one may take its place. False: something went wrong
  /// (no memory, say); that is an error, and no reason to go on with another engine in silence.
  bool may_fall_back = false;
};

/// A backend of this engine. To be called on the thread that will use it: a ring belongs to the thread that
/// made it.
[[nodiscard]] std::expected<std::unique_ptr<Backend>, EngineUnavailable> make_engine(Engine engine);

/// Tries the engine out, on any thread, and leaves nothing behind; none if it works.
[[nodiscard]] std::optional<EngineUnavailable> probe_engine(Engine engine);

}  // namespace portshare
