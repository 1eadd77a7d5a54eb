// The limits of the listeners: how many connections each one takes, in all and from one source.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/source_table.h"
#include "dispatch/config.h"
#include "dispatch/outcome.h"

namespace portshare {

class ListenerAdmission;

/// A connection's place among those that count, given back when this goes. Movable.
class AdmissionPlace {
 public:
  AdmissionPlace() = default;
  AdmissionPlace(AdmissionPlace&& other) noexcept
      : admission_(std::move(other.admission_)),
        source_(std::exchange(other.source_, nullptr)),
        is_refused_(other.is_refused_) {}
  AdmissionPlace& operator=(AdmissionPlace&& other) noexcept {
    std::swap(admission_, other.admission_);
    std::swap(source_, other.source_);
    std::swap(is_refused_, other.is_refused_);
    return *this;
  }
  AdmissionPlace(const AdmissionPlace&) = delete;
  AdmissionPlace& operator=(const AdmissionPlace&) = delete;
  ~AdmissionPlace();

 private:
  friend class ListenerAdmission;
  AdmissionPlace(std::shared_ptr<ListenerAdmission> admission, SourceTable::Source* source, bool is_refused)
      : admission_(std::move(admission)), source_(source), is_refused_(is_refused) {}

  std::shared_ptr<ListenerAdmission> admission_;  // which a reload may have left to its places alone
  SourceTable::Source* source_ = nullptr;
  bool is_refused_ = false;
};

/// The limits of one listener, over all workers. Thread-safe: the counts of the listener are atomic, and the
/// table of sources, which is there only if there is a limit per source, is in stripes with a lock each.
class ListenerAdmission : public std::enable_shared_from_this<ListenerAdmission> {
 public:
  /// So many connections of a listener may be open only to be told, in their own language, that there are too
  /// many; those beyond are reset at once. Their memory is bounded by it.
  static constexpr std::uint32_t max_refused_waiting = 64;
  /// So many sources without a connection are remembered for their rate.
  static constexpr std::size_t max_idle_sources = std::size_t{1} << 16;

  ListenerAdmission(const ListenerConfig& listener, const SipKey& key);
  ListenerAdmission(const ListenerAdmission&) = delete;
  ListenerAdmission& operator=(const ListenerAdmission&) = delete;
  /// No place may be taken any more.
  ~ListenerAdmission();

  /// From now on; whoever has a place keeps it, and counts.
  void change_limits(const ListenerConfig& listener);

  /// Counts a connection; `source`: none on a unix socket, to which no limit per source applies. The error is
  /// `unavailable` if the listener is full and `limited` if the source is over one of its limits.
  std::expected<AdmissionPlace, Outcome> admit(const std::optional<IpAddress>& source,
                                               std::chrono::microseconds now);
  /// A place among those that wait to be told; none if there are enough of them.
  std::optional<AdmissionPlace> wait_for_refusal();

  /// Admitted, or waiting to be told; for tests.
  [[nodiscard]] std::uint32_t open_count() const { return open_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t refused_count() const { return refused_.load(std::memory_order_relaxed); }

 private:
  friend class AdmissionPlace;

  static constexpr std::size_t stripe_count = 16;
  struct alignas(64) Stripe {
    Stripe(const SourceLimits& limits, const SipKey& key)
        : table(limits, max_idle_sources / stripe_count, key) {}
    std::mutex mutex;
    SourceTable table;
  };

  [[nodiscard]] Stripe& stripe_of(const IpAddress& source);
  void leave(SourceTable::Source* source, bool is_refused);

  std::atomic<std::uint32_t> max_connections_;
  std::atomic<bool> counts_sources_;
  const SipKey stripe_key_;
  std::atomic<std::uint32_t> open_ = 0;
  std::atomic<std::uint32_t> refused_ = 0;
  std::vector<std::unique_ptr<Stripe>> stripes_;
};

/// The limits of all listeners of a configuration. The workers share it.
class Admission {
 public:
  /// `key`: secret and random, so that nobody can choose addresses that collide in the tables.
  Admission(const Config& config, const SipKey& key);
  /// For the configuration that follows `before`: a listener that keeps its name keeps its counts. Its limits
  /// are still the old ones, until change_limits().
  Admission(const Config& config, const SipKey& key, const Config& before, const Admission& admission_before);

  /// The limits of all listeners are these from now on.
  void change_limits(const Config& config) const;

  /// Null if the listener has no limit: its connections are not counted.
  [[nodiscard]] ListenerAdmission* of(std::uint32_t listener) const { return listeners_[listener].get(); }

 private:
  std::vector<std::shared_ptr<ListenerAdmission>> listeners_;
};

}  // namespace portshare
