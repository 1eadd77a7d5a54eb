// One asynchronous operation on a socket, and what can come of it.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "core/byte_view.h"
#include "core/queue.h"
#include "core/socket_address.h"
#include "platform/pipe_pool.h"

namespace portshare {

/// A socket of some backend. A plain value: whoever holds it closes it, through Loop::close, once.
enum class Socket : std::int32_t { none = -1 };

/// How an operation ended: the closed list to which every backend translates its system's error codes, once.
enum class Status : std::uint8_t {
  ok,
  cancelled,       ///< by Loop::cancel
  nothing_yet,     ///< a receive that was not to wait
  refused,         ///< nobody listens there (also: no such unix socket)
  unreachable,     ///< no route, network or host down, address not available
  timed_out,       ///< the system gave up
  reset,           ///< the peer ended the connection without closing it (also: broken pipe)
  no_descriptors,  ///< the process or the system is out of descriptors
  no_resources,    ///< no memory or buffers
  no_local_port,   ///< of a connect: this host has no port left towards that address, or no address itself
  permission,      ///< the system forbids it
  failed,          ///< anything else; `system_error` says what
};

/// In words that follow "connect: ", for logs.
std::string_view to_string(Status status);

/// A shortage of our own, which is no peer's fault, and asking another one does not help.
[[nodiscard]] constexpr bool is_shortage(Status status) {
  return status == Status::no_descriptors || status == Status::no_resources;
}

/// No peer's fault either, but another one may be reached.
[[nodiscard]] constexpr bool is_peers_fault(Status status) {
  return !is_shortage(status) && status != Status::no_local_port;
}

/// Where to connect to, and from which address: one that need not be this host's (IP_TRANSPARENT). The port
/// is the system's choice. Both are of one family.
struct SourcedAddress : SocketAddress {
  IpAddress source;
};

/// What the owner of a connect has to say first. Where that is something, the network is spared a packet:
/// the acknowledgement that ends the handshake travels with it.
struct Opening {
  /// Sent as soon as the connection is there, `op.count` of them, maybe none; they live until the callback.
  /// Should the peer have accepted and then reset the connection, the next send says so; a receive before it
  /// would report an end.
  ByteView bytes = {};
  bool follows = false;  ///< the owner sends at once when it is connected
};

/// How a connection ends for its peer.
enum class CloseMode : std::uint8_t {
  orderly,    ///< what was sent is delivered, then the end of the stream
  after_end,  ///< likewise; the peer's stream was read to its end, so nothing is left in the socket
  reset,      ///< at once; the peer sees a reset
  /// The connection goes on: another process has the socket, too, or another owner has it in this loop.
  handed_over,
};

/// One operation. Its owner keeps it at one place in memory from the call on the Loop until its callback has
/// run, which it does exactly once, also for a cancelled operation, and never from within the call that
/// started or cancelled it. From then on the owner may use it again, already in the callback. Not
/// thread-safe; belongs to the loop's thread.
class Op {
 public:
  using Callback = void (*)(Op& op, void* context);

  enum class Kind : std::uint8_t { none, accept, connect, receive, send, shutdown, close };
  enum class State : std::uint8_t {
    idle,       ///< may be started
    queued,     ///< not yet seen by the backend
    in_flight,  ///< the backend has it
    finished,   ///< the result is in and the callback about to run: too late to cancel
  };

  Op() : Op(nullptr, nullptr) {}
  Op(Callback callback, void* context)
      : length(0), pipe(Pipe::none), buffer(nullptr), callback_(callback), context_(context) {}
  Op(const Op&) = delete;
  Op& operator=(const Op&) = delete;

  void set_callback(Callback callback, void* context) {
    callback_ = callback;
    context_ = context;
  }

  /// Before a receive: as far as the owner knows nothing has come yet. A hint, which may be wrong.
  void expect_wait() { likely_waits = true; }

  [[nodiscard]] bool is_idle() const { return state == State::idle; }
  [[nodiscard]] bool succeeded() const { return status == Status::ok; }

  /// After a receive: what arrived, in the buffer that the owner of the op now owns. Empty: the peer has
  /// closed its side.
  [[nodiscard]] ByteView received() const { return {buffer, count}; }
  /// After a receive: nothing comes behind these bytes. An engine says so where it happens to know, which
  /// spares the receive that would tell; without it the end may follow all the same.
  [[nodiscard]] bool is_last() const { return last; }
  /// Takes the buffer of a receive over; it goes back with BufferPool::release. Null at the end of the stream
  /// and on failure.
  [[nodiscard]] std::uint8_t* take_buffer() {
    return kind == Kind::receive ? std::exchange(buffer, nullptr) : nullptr;
  }
  /// Likewise of a bulk receive that has left its bytes in a pipe; it goes back with Backend::release_pipe.
  [[nodiscard]] Pipe take_pipe() { return std::exchange(pipe, Pipe::none); }

  // Results, valid from the callback until the next start.
  Status status = Status::ok;
  bool last = false;  ///< of a receive: see is_last(); of a send: the end of the stream went along
  Kind kind = Kind::none;
  State state = State::idle;      ///< between Loop and Backend, as is all below `socket`
  std::int32_t system_error = 0;  ///< the system's own code, for logs only
  std::uint32_t count = 0;        ///< bytes received or sent; of connect: of the first bytes
  Socket socket = Socket::none;  ///< the one worked on; of accept and connect: the new one, `none` on failure

  // Between Loop and Backend. Owners leave these alone.
  CloseMode close_mode = CloseMode::orderly;
  bool cancel_requested : 1 = false;
  bool data_follows : 1 = false;  ///< of connect
  bool has_source : 1 = false;    ///< of connect: `address` is that of a SourcedAddress
  bool ends_stream : 1 = false;   ///< of send
  bool is_bulk : 1 = false;       ///< of receive, which may then use a pipe
  bool only_now : 1 = false;      ///< of receive: not to wait
  bool likely_waits : 1 = false;  ///< of receive: to be tried when the socket is ready, and not before
  bool polls : 1 = false;         ///< waits for its socket to become ready, and is to be tried then
  union {
    Socket listener;       ///< of accept
    std::uint32_t length;  ///< of send and connect; of a bulk receive the most that it may bring
  };
  union {
    Pipe pipe;                        ///< of bulk receive; of send: has the bytes instead of `data`
    const std::uint8_t* first_bytes;  ///< of connect, `length` of them
  };
  union {
    const std::uint8_t* data;      ///< of send
    const SocketAddress* address;  ///< of connect; kept by the owner until the callback
    std::uint8_t* buffer;          ///< of receive
  };
  Op* next = nullptr;

 private:
  friend class Loop;
  Callback callback_ = nullptr;
  void* context_ = nullptr;
};

static_assert(sizeof(Op) == 64, "every connection has four, and each is to fill one line of the cache");

using OpQueue = Queue<Op>;

}  // namespace portshare
