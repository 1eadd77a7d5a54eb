// What a load is to do: the command line in values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/clock.h"
#include "bench/first_bytes.h"
#include "bench/schedule.h"
#include "core/socket_address.h"
#include "platform/engine.h"
#include "platform/op.h"

namespace portshare {

enum class LoadKind : std::uint8_t { connections, ping_pong, bulk, idle, slow };

/// "connections", "ping-pong": the name of the command and in reports.
[[nodiscard]] std::string_view to_string(LoadKind kind);

/// What is counted: "connection", "message", "GB".
[[nodiscard]] std::string_view unit_of(LoadKind kind);

/// When a client has got its reply.
struct ReplyEnd {
  enum class Kind : std::uint8_t { first_byte, end_of_stream, bytes };
  Kind kind = Kind::first_byte;
  std::uint64_t bytes = 1;  ///< for `bytes`; with `end_of_stream`, fewer are an error
};

struct BulkDirections {
  bool download = true;
  bool upload = false;
};

struct LoadSettings {
  LoadKind kind = LoadKind::connections;
  std::vector<SocketAddress> targets;  ///< used in turn, at least one
  FirstBytesSettings first_bytes;
  Engine engine = Engine::io_uring;
  unsigned threads = 1;
  unsigned connections = 64;  ///< at a time, of all threads
  double rate = 0;            ///< per second, of all threads; 0: a closed loop
  Arrivals arrivals = Arrivals::uniform;
  nanoseconds duration{};  ///< 0: until `count` is reached
  nanoseconds warm_up{};
  std::uint64_t count = 0;  ///< connections or messages, or bytes of bulk each way; 0: no end
  std::chrono::milliseconds timeout{};
  std::uint64_t seed = 1;
  CloseMode close_mode = CloseMode::orderly;  ///< where we are the first to close

  ReplyEnd until;                            ///< connections, slow
  std::size_t message_size = 64;             ///< ping-pong
  std::optional<std::uint64_t> first_reply;  ///< ping-pong, idle: bytes that come in answer to the first ones
  BulkDirections directions;                 ///< bulk
  unsigned opening = 64;                     ///< idle: connections that are being opened at a time
  unsigned slow_clients = 0;                 ///< slow
  std::chrono::milliseconds interval{};      ///< slow: between two bytes

  [[nodiscard]] bool is_open_loop() const { return rate > 0; }
};

}  // namespace portshare
