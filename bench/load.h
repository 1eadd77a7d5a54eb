// One thread's share of a load.
#pragma once

#include <cstdint>

#include "bench/clock.h"
#include "bench/first_bytes.h"
#include "bench/load_settings.h"
#include "bench/statistics.h"
#include "core/random.h"
#include "core/socket_address.h"
#include "platform/loop.h"

namespace portshare {

/// What the parts of a share have in common. Belongs to the thread.
class LoadContext {
 public:
  /// All are borrowed.
  LoadContext(Loop& its_loop, const LoadSettings& its_settings, const FirstBytes& its_first_bytes,
              unsigned its_thread)
      : loop(its_loop),
        settings(its_settings),
        first_bytes(its_first_bytes),
        random(mix_bits(its_settings.seed) ^ its_thread),
        thread(its_thread),
        next_number_(its_thread) {}

  /// This thread's part of a number for all threads.
  template <typename Number>
  [[nodiscard]] Number share_of(Number total) const {
    return total / settings.threads + (thread < total % settings.threads ? 1 : 0);
  }
  /// Counts this thread's connections so that the numbers of all threads are distinct.
  std::uint64_t take_number() {
    const std::uint64_t number = next_number_;
    next_number_ += settings.threads;
    return number;
  }
  [[nodiscard]] const SocketAddress& target(std::uint64_t number) const {
    return settings.targets[number % settings.targets.size()];
  }

  Loop& loop;
  const LoadSettings& settings;
  const FirstBytes& first_bytes;
  Statistics statistics;
  Random random;
  unsigned thread;

 private:
  std::uint64_t next_number_;
};

/// Runs on the loop of its thread, which calls it.
class Load {
 public:
  Load() = default;
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  virtual ~Load() = default;

  /// Opens the connections that are there from the beginning.
  virtual void prepare() {}
  /// They are there, or have failed.
  [[nodiscard]] virtual bool is_ready() const { return true; }
  /// Starts what is measured. `start` is the same for all threads: from there the schedule of an open loop
  /// counts.
  virtual void go(nanoseconds start) = 0;
  /// After each turn of the loop.
  virtual void after_turn() {}
  /// What was measured up to now was the warm-up.
  virtual void end_warm_up() = 0;
  /// The share of LoadSettings::count is done. Nothing new starts from then on.
  [[nodiscard]] virtual bool is_complete() const = 0;
  /// Ends everything soon, and starts nothing new.
  virtual void stop() = 0;
  /// Nothing is pending.
  [[nodiscard]] virtual bool is_quiet() const = 0;
  /// Open loop: arrivals whose time came before `now` and that have not started.
  [[nodiscard]] virtual std::uint64_t overdue(nanoseconds /*now*/) const { return 0; }
};

}  // namespace portshare
