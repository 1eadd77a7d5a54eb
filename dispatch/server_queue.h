// Connections that wait until a server of their backend has room.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "platform/loop.h"

namespace portshare {

/// The queue of one backend, for all workers: first come, first served. Who waits is woken when it is its
/// turn, and then tries again. Thread-safe. A mutex is taken by those that wait and by those that make room
/// while somebody waits; as long as nobody does, it costs a look at a number.
class ServerQueue {
 public:
  /// A place in the queue. Belongs to the thread of `loop`, which `called` runs on; from push() until then,
  /// or until remove() has answered true, it must stay where it is.
  struct Waiter {
    Loop* loop = nullptr;
    void (*called)(void* context) = nullptr;
    void* context = nullptr;

   private:
    friend class ServerQueue;
    Waiter* next = nullptr;
    Waiter* previous = nullptr;
    bool is_queued = false;
  };

  ServerQueue() = default;
  ServerQueue(const ServerQueue&) = delete;
  ServerQueue& operator=(const ServerQueue&) = delete;
  /// Nobody may wait any more.
  ~ServerQueue();

  enum class Place : std::uint8_t {
    last,
    first,  ///< for who was called, and came too late for the room that there was
  };
  /// Afterwards, not before, the waiter looks whether there is room meanwhile, and if so calls the next: who
  /// makes room does it the other way round, so one of the two sees the other.
  void push(Waiter& waiter, Place place);
  /// False: it has been called already, and will hear of it.
  [[nodiscard]] bool remove(Waiter& waiter);
  /// Wakes the first, if there is one. Room may be left after it: so the one who has found room calls the
  /// next.
  void call_next();

  [[nodiscard]] std::uint32_t size() const { return size_.load(); }

 private:
  void unlink(Waiter& waiter);

  std::mutex mutex_;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  // Sequentially consistent, as the counts of ServerState are that decide whether there is room.
  std::atomic<std::uint32_t> size_ = 0;
};

}  // namespace portshare
