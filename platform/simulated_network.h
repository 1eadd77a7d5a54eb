// A network and an operating system for tests: virtual time, one seed, faults at will, no system calls.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/random.h"
#include "core/socket_address.h"
#include "platform/op.h"
#include "platform/simulated_faults.h"
#include "platform/simulated_stream.h"

namespace portshare {

/// Bytes that the program sent and received through one socket.
struct SimulatedTraffic {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
};

/// The world in which a SimulatedBackend's sockets live. Time passes only in
/// SimulatedBackend::submit_and_wait. The same seed, faults and program give the same run, byte for byte.
/// Socket numbers are never used twice, so that every use after a close is noticed. Not thread-safe.
///
/// A program that breaks the rules of Op and Backend ends in `misuse`, which aborts with the seed.
class SimulatedNetwork {
 public:
  using Time = std::chrono::microseconds;

  /// A connect that nobody answers ends with timed_out after this time, as on Linux with its six retries.
  static constexpr Time connect_gives_up = std::chrono::seconds{127};

  explicit SimulatedNetwork(std::uint64_t seed, const SimulatedFaults& faults = SimulatedFaults::none());
  SimulatedNetwork(const SimulatedNetwork&) = delete;
  SimulatedNetwork& operator=(const SimulatedNetwork&) = delete;
  ~SimulatedNetwork() = default;

  // --- What tests set up and look at.

  /// A listening socket; port 0 takes a free one, an unspecified address takes every address that has no
  /// listener of its own. The address must be free.
  Socket listen(SocketAddress address);
  /// What waits in its queue is reset. No accept may be in flight. Loop::close does the same.
  void close_listener(Socket listener);
  [[nodiscard]] const SocketAddress& listening_address(Socket listener) const {
    return listeners_.at(listener).address;
  }

  /// How connects to an address go, whoever listens there: a server that is down, unplugged or filtered.
  enum class Reach : std::uint8_t { normal, refused, unreachable, silent };
  void set_reach(const SocketAddress& address, Reach reach);

  [[nodiscard]] const SimulatedFaults& faults() const { return faults_; }
  /// From now on. What is under way stays as it is.
  void set_faults(const SimulatedFaults& faults) { faults_ = faults; }

  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  [[nodiscard]] Time now() const { return now_; }
  /// Sockets that the program has to close, listeners and connects in flight among them.
  [[nodiscard]] std::size_t open_sockets() const { return ends_.size() + listeners_.size(); }
  /// Also of closed sockets.
  [[nodiscard]] SimulatedTraffic traffic(Socket socket) const;
  /// Of everything that has happened so far: equal for equal runs.
  [[nodiscard]] std::uint64_t trace_hash() const { return trace_hash_; }
  /// Writes a line per completion from now on; null ends it. For looking at a failing seed.
  void log_to(std::FILE* log) { log_ = log; }

  // --- System calls, for SimulatedBackend. None waits: an empty result means "not yet", and `on_ready` is
  // told when asking again makes sense.

  using Ready = std::function<void(Socket)>;
  void set_on_ready(Ready on_ready) { on_ready_ = std::move(on_ready); }

  [[nodiscard]] bool is_listener(Socket socket) const { return listeners_.contains(socket); }
  [[nodiscard]] bool is_connection(Socket socket) const { return ends_.contains(socket); }

  struct Accepted {
    Status status = Status::ok;
    Socket socket = Socket::none;
  };
  std::optional<Accepted> accept(Socket listener);
  [[nodiscard]] bool has_queued(Socket listener) const { return !listeners_.at(listener).queue.empty(); }

  std::expected<Socket, Status> start_connect(const SocketAddress& address);
  /// Once it is `ok`, the socket is connected.
  std::optional<Status> connect_result(Socket socket);
  /// Of a connect that failed or was cancelled: the socket goes, the server may have seen the connection.
  void abandon_connect(Socket socket);

  struct Transfer {
    Status status = Status::ok;
    std::size_t count = 0;
    bool last = false;  ///< of a receive: the end of the stream is known to follow
  };
  /// Whether `receive` has a result, and whether it needs a buffer.
  enum class Readable : std::uint8_t { no, bytes, end_or_error };
  [[nodiscard]] Readable readable(Socket socket) const;
  std::optional<Transfer> receive(Socket socket, std::span<std::uint8_t> into);
  std::optional<Transfer> send(Socket socket, ByteView bytes);
  Status shutdown(Socket socket);
  void close(Socket socket, CloseMode mode);

  [[nodiscard]] std::optional<IpEndpoint> local_endpoint(Socket socket) const;
  [[nodiscard]] std::optional<IpEndpoint> peer_endpoint(Socket socket) const;

  void schedule(Time delay, std::function<void()> action);
  [[nodiscard]] std::optional<Time> next_event() const;
  /// Sets the clock to `time` and runs what is due by then.
  void advance(Time time);

  [[nodiscard]] Random& random() { return random_; }
  /// True in `per_mille` of 1,000 cases.
  bool happens(std::uint32_t per_mille) { return per_mille != 0 && random_.chance(per_mille, 1000); }
  /// 0 to `longest`, each equally likely.
  Time delay_up_to(Time longest);
  void trace(std::uint64_t value) { trace_hash_ = mix_bits(trace_hash_ ^ value) + value; }
  [[nodiscard]] std::FILE* log() const { return log_; }
  /// Tells what rule the program broke, when, and with what seed to see it again; aborts.
  [[noreturn]] void misuse(std::string_view what, Socket socket = Socket::none) const;
  /// To stderr.
  static void print(const std::string& text);

 private:
  // Not zero, so that a clock that was never read shows.
  static constexpr Time start_of_time = std::chrono::seconds{1};

  struct Listener {
    Socket socket;
    SocketAddress address;
    std::deque<SimulatedEndRef> queue;
  };
  struct Event {
    Time time;
    std::uint64_t order;  // events of one time run in the order in which they were scheduled
    std::function<void()> action;
    bool operator<(const Event& other) const {
      return time != other.time ? time > other.time : order > other.order;  // the heap's top is the earliest
    }
  };

  Socket new_socket();
  std::uint16_t new_port() { return next_port_ == 65535 ? next_port_ = 32768 : ++next_port_; }
  Time latency();
  [[nodiscard]] const SimulatedEndRef& end(Socket socket) const;
  [[nodiscard]] bool out_of_descriptors();
  [[nodiscard]] Reach reach_of(const SocketAddress& address) const;
  Listener* find_listener(const SocketAddress& address);
  void syn_arrives(const SimulatedEndRef& client, unsigned tries);
  void establish(const SimulatedEndRef& client, Listener& listener);
  void finish_connect(const SimulatedEndRef& client, Status status);
  void schedule_delivery(const SimulatedEndRef& from);
  void deliver(const SimulatedEndRef& from);
  void send_reset(const SimulatedEndRef& from);
  void reset_arrives(const SimulatedEndRef& at);
  Status report_reset(SimulatedEnd& at);
  std::size_t some_of(std::size_t most, std::uint32_t per_mille);
  void ready(Socket socket) {
    if (socket != Socket::none && on_ready_) on_ready_(socket);
  }

  const std::uint64_t seed_;
  Random random_;
  SimulatedFaults faults_;
  Time now_ = start_of_time;
  std::vector<Event> events_;  // a heap
  std::uint64_t next_order_ = 0;
  std::map<Socket, Listener> listeners_;
  std::map<Socket, SimulatedEndRef> ends_;
  std::map<SocketAddress, Socket> listening_;
  std::map<SocketAddress, Reach> reach_;
  std::vector<SimulatedTraffic> traffic_;  // by socket number
  std::uint16_t next_port_ = 32768;
  std::uint64_t trace_hash_ = 0;
  std::FILE* log_ = nullptr;
  Ready on_ready_;
};

}  // namespace portshare
