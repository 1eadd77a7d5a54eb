// When the connections or messages of an open loop start: fixed in advance, whatever the server does.
#pragma once

#include <cmath>
#include <cstdint>

#include "bench/clock.h"
#include "core/random.h"

namespace portshare {

enum class Arrivals : std::uint8_t {
  uniform,  ///< at equal distances
  poisson,  ///< as of many independent clients: exponentially distributed distances
};

/// The arrivals of one thread out of several, which share the rate. Deterministic: the same arguments give
/// the same times.
class Schedule {
 public:
  /// `rate`: of all threads together, per second. `start`: when the load begins.
  Schedule(double rate, Arrivals arrivals, unsigned thread, unsigned threads, std::uint64_t seed,
           nanoseconds start)
      : arrivals_(arrivals),
        interval_ns_(1e9 * threads / rate),
        random_(mix_bits(seed) + thread),
        start_(start) {
    // Equal distances over all threads: each begins with its share of the distance.
    offset_ns_ = arrivals == Arrivals::uniform ? interval_ns_ * thread / threads : distance();
  }

  /// The time of the next arrival.
  [[nodiscard]] nanoseconds next() const {
    return start_ + nanoseconds(static_cast<nanoseconds::rep>(offset_ns_));
  }
  void advance() { offset_ns_ += distance(); }

 private:
  [[nodiscard]] double distance() {
    if (arrivals_ == Arrivals::uniform) return interval_ns_;
    // 1 minus a number in [0, 1), so that the logarithm is finite.
    const double uniform = static_cast<double>(random_.next() >> 11) * 0x1p-53;
    return -std::log(1.0 - uniform) * interval_ns_;
  }

  Arrivals arrivals_;
  double interval_ns_;
  double offset_ns_ = 0;  // since start_; a double keeps nanoseconds for months
  Random random_;
  nanoseconds start_;
};

}  // namespace portshare
