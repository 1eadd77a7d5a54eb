// What is known of one server, over all workers and over reloads: whether it may be asked, and what it has.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dispatch/server_queue.h"
#include "platform/op.h"

namespace portshare {

/// What connects that fail mean for a server.
struct ConnectRules {
  std::uint32_t fall = 3;                       ///< in a row: it is taken out
  std::chrono::milliseconds first_rest{2'000};  ///< for so long, and twice as long after each further failure
  static constexpr std::chrono::milliseconds longest_rest{60'000};
  /// It has health checks: a connect that fails is a check that has failed, and does not rest but is down
  /// until the checks bring it back.
  bool is_checked = false;
};

/// Lets anybody ask for a look at the servers (HealthChecker). Thread-safe.
class CheckBell {
 public:
  /// `ring`: called on any thread, from within what must not wait. Empty: nobody listens any more.
  void connect(std::function<void()> ring);
  void ring();

 private:
  std::mutex mutex_;
  std::function<void()> ring_;
};

class ServerState;

/// A connection's place at a server, given back when this goes. Movable; belongs to its worker's thread.
class ServerPlace {
 public:
  ServerPlace() = default;
  ServerPlace(ServerPlace&& other) noexcept { *this = std::move(other); }
  ServerPlace& operator=(ServerPlace&& other) noexcept {
    std::swap(state_, other.state_);
    std::swap(worker_, other.worker_);
    std::swap(is_counted_, other.is_counted_);
    return *this;
  }
  ServerPlace(const ServerPlace&) = delete;
  ServerPlace& operator=(const ServerPlace&) = delete;
  ~ServerPlace() { release(); }

  inline void release();

 private:
  friend class ServerState;
  ServerState* state_ = nullptr;  // which the registry keeps as long as it has connections
  std::uint32_t worker_ = 0;
  bool is_counted_ = false;
};

/// Workers read and change it without locks. What each connection costs here is one load and numbers that
/// belong to the worker alone.
class ServerState {
 public:
  /// The operator's word.
  enum class Mode : std::uint8_t {
    enabled,
    draining,  ///< no new connections
    disabled,  ///< nor health checks
  };

  ServerState(std::string backend, std::string address, std::size_t workers,
              std::shared_ptr<ServerQueue> queue, std::shared_ptr<CheckBell> bell);
  ServerState(const ServerState&) = delete;
  ServerState& operator=(const ServerState&) = delete;

  [[nodiscard]] const std::string& backend() const { return backend_; }
  [[nodiscard]] const std::string& address() const { return address_; }

  // --- For workers ---

  [[nodiscard]] bool is_usable() const { return obstacles_.load(std::memory_order_relaxed) == 0; }
  /// Only connects have failed; nobody has said that it is down.
  [[nodiscard]] bool is_resting() const { return obstacles_.load(std::memory_order_relaxed) == resting; }
  /// Its rest is over: the one who is answered true, and nobody else, tries it again. The next may when twice
  /// the time has passed, unless that one succeeds.
  [[nodiscard]] bool may_be_tried_again(std::chrono::microseconds now);

  /// Takes a place at the server; `most`: 0, or how many there are. `is_counted`: over all workers; always if
  /// there is a most. False: it is full. `place` is not one already.
  [[nodiscard]] bool enter(std::uint32_t worker, std::uint32_t most, bool is_counted, ServerPlace& place) {
    const bool counts = is_counted || most != 0;
    if (counts && !count_in(most)) return false;
    count(workers_[worker].active);
    place.state_ = this;
    place.worker_ = worker;
    place.is_counted_ = counts;
    return true;
  }
  /// Over all workers, of those that are counted: as long as the configuration needs it.
  [[nodiscard]] std::uint32_t counted_connections() const { return counted_.load(); }

  /// True: it was resting, and rests no more.
  bool connect_succeeded(std::size_t worker) {
    count(workers_[worker].connections);
    return failures_.load(std::memory_order_relaxed) != 0 && recover();
  }
  /// True: this one takes the server out.
  [[nodiscard]] bool connect_failed(std::size_t worker, Status status, std::chrono::microseconds now,
                                    const ConnectRules& rules);

  // --- For the control thread ---

  void set_mode(Mode mode, std::chrono::microseconds now);
  [[nodiscard]] Mode mode() const;

  /// What a check has found. `reason`: of a failure, "connect: refused".
  struct CheckResult {
    bool succeeded = false;
    std::string reason;
    std::chrono::microseconds duration{0};
  };
  enum class Change : std::uint8_t { none, went_down, came_up };
  Change checked(const CheckResult& result, std::uint32_t rise, std::uint32_t fall,
                 std::chrono::microseconds now);
  /// Whether it has checks from now on. Without them nothing is known against it.
  void set_checked(bool is_checked, std::chrono::microseconds now);
  /// A connect has failed since this was last asked.
  [[nodiscard]] bool take_check_request() { return wants_check_.exchange(false); }

  [[nodiscard]] ServerQueue& queue() const { return *queue_; }

  struct Report {
    bool is_resting = false;
    bool is_down = false;
    bool is_checked = false;
    std::string reason;
    std::chrono::microseconds changed_at{0};  ///< loops' time; 0: never
    std::chrono::microseconds checked_at{0};
    std::chrono::microseconds check_duration{0};
    std::uint64_t checks = 0;
    std::uint64_t failed_checks = 0;
    std::uint32_t active_connections = 0;
    std::uint64_t total_connections = 0;
    std::uint64_t failed_connects = 0;
  };
  /// Any thread.
  [[nodiscard]] Report report() const;

 private:
  friend class ServerPlace;
  void leave(const ServerPlace& place) {
    if (place.is_counted_) count_out();
    // Last: when the registry sees that nobody is left, it may do away with this.
    std::atomic<std::uint32_t>& active = workers_[place.worker_].active;
    active.store(active.load(std::memory_order_relaxed) - 1, std::memory_order_release);
  }
  [[nodiscard]] bool count_in(std::uint32_t most);
  void count_out();

  // Why a server may not be asked: bits of obstacles_.
  static constexpr std::uint8_t down = 1;
  static constexpr std::uint8_t resting = 2;
  static constexpr std::uint8_t drained_by_operator = 4;
  static constexpr std::uint8_t disabled_by_operator = 8;

  /// Written by one worker, read by anybody.
  struct alignas(64) WorkerCounts {
    std::atomic<std::uint64_t> connections = 0;
    std::atomic<std::uint64_t> failures = 0;
    std::atomic<std::uint32_t> active = 0;
  };
  template <typename Number>
  static void count(std::atomic<Number>& number) {
    number.store(number.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  bool recover();
  bool set(std::uint8_t obstacle, std::chrono::microseconds now);
  bool clear(std::uint8_t obstacle, std::chrono::microseconds now);

  const std::string backend_;
  const std::string address_;
  const std::shared_ptr<ServerQueue> queue_;
  const std::shared_ptr<CheckBell> bell_;
  std::vector<WorkerCounts> workers_;

  std::atomic<std::uint8_t> obstacles_ = 0;
  std::atomic<bool> wants_check_ = false;
  std::atomic<Status> last_failure_ = Status::ok;
  std::atomic<std::uint32_t> failures_ = 0;  // connects, or checks, that have failed since one succeeded
  std::atomic<bool> is_checked_ = false;     // then checks alone say that it is well again
  std::atomic<std::chrono::microseconds> rest_until_{std::chrono::microseconds{0}};
  std::atomic<std::chrono::microseconds> next_rest_{std::chrono::microseconds{0}};
  std::atomic<std::chrono::microseconds> changed_at_{std::chrono::microseconds{0}};

  // Apart from what every connection reads.
  alignas(64) std::atomic<std::uint32_t> counted_ = 0;

  // Of the checks.
  mutable std::mutex check_mutex_;
  std::string reason_;
  std::uint32_t successes_ = 0;
  std::chrono::microseconds checked_at_{0};
  std::chrono::microseconds check_duration_{0};
  std::uint64_t checks_ = 0;
  std::uint64_t failed_checks_ = 0;
};

inline void ServerPlace::release() {
  if (ServerState* state = std::exchange(state_, nullptr)) state->leave(*this);
}

/// Who has the states, by the name of the backend and the address of the server, so that a new configuration
/// or a new answer of a name server finds those of the servers that stay. For the control thread; outlives
/// the workers.
class ServerRegistry {
 public:
  /// `workers`: how many there are; the index of each is below it.
  explicit ServerRegistry(std::size_t workers);

  [[nodiscard]] std::shared_ptr<ServerState> state_of(std::string_view backend, std::string_view address);
  /// Null: there is no such server.
  [[nodiscard]] std::shared_ptr<ServerState> find(std::string_view backend, std::string_view address) const;
  [[nodiscard]] std::shared_ptr<ServerQueue> queue_of(std::string_view backend);
  /// Forgets servers that no pool has any more, once their last connection has ended, unless the operator has
  /// said something about them.
  void forget_unused();
  [[nodiscard]] const std::shared_ptr<CheckBell>& bell() const { return bell_; }
  [[nodiscard]] std::size_t size() const { return states_.size(); }

 private:
  const std::size_t workers_;
  const std::shared_ptr<CheckBell> bell_ = std::make_shared<CheckBell>();
  std::map<std::string, std::shared_ptr<ServerQueue>, std::less<>> queues_;  // by backend
  std::map<std::pair<std::string, std::string>, std::shared_ptr<ServerState>> states_;
};

}  // namespace portshare
