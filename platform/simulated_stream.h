// A connection inside the simulated network: two ends, and the bytes between them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/byte_view.h"
#include "core/socket_address.h"
#include "platform/op.h"

namespace portshare {

/// Bytes first in, first out.
class SimulatedBytes {
 public:
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const { return bytes_.size() - head_; }
  /// The oldest bytes, valid until the next call that changes anything.
  [[nodiscard]] ByteView view() const { return ByteView(bytes_).subspan(head_); }
  void push(ByteView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void pop(std::size_t count) {
    head_ += count;
    if (head_ < bytes_.size() / 2) return;
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  void clear() {
    bytes_.clear();
    head_ = 0;
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t head_ = 0;
};

/// One side of a connection. The bytes that it sent wait in `unsent` until they travel into `received` of the
/// peer; both are bounded.
struct SimulatedEnd {
  enum class State : std::uint8_t {
    connecting,
    queued,  ///< in a listener's queue: established, but no socket yet
    open,
    closed,
  };
  State state = State::connecting;
  Socket socket = Socket::none;
  std::optional<Status> connected;  ///< how the connect ended, once it has
  std::optional<IpEndpoint> local;
  std::optional<IpEndpoint> remote;

  SimulatedBytes unsent;
  bool ended = false;     ///< the end of the stream follows `unsent`
  bool end_sent = false;  ///< and has arrived
  bool delivery_scheduled = false;

  SimulatedBytes received;
  bool end_received = false;

  bool reset_sent = false;
  bool reset_received = false;
  bool reset_reported_once = false;  ///< drawn when the reset arrives
  bool reset_reported = false;
};

struct SimulatedConnection {
  SocketAddress server;
  std::array<SimulatedEnd, 2> ends;  ///< client, server
};

/// Keeps the whole connection alive: ends die together, after the last event that is on its way to one.
struct SimulatedEndRef {
  std::shared_ptr<SimulatedConnection> connection;
  std::size_t index = 0;

  [[nodiscard]] SimulatedEnd& operator*() const { return connection->ends[index]; }
  [[nodiscard]] SimulatedEnd* operator->() const { return &connection->ends[index]; }
  [[nodiscard]] SimulatedEndRef peer() const { return {connection, 1 - index}; }
};

}  // namespace portshare
