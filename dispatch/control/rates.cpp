#include "dispatch/control/rates.h"

#include <algorithm>
#include <utility>

#include "dispatch/outcome.h"

namespace portshare {

namespace {

/// A number that only grows, as a rate. What was taken back by a clean-up counts as nothing.
double rate(std::uint64_t now, std::uint64_t before, double seconds) {
  return now > before ? static_cast<double>(now - before) / seconds : 0;
}

std::optional<Quantiles> quantiles(const DurationHistogram& durations) {
  if (durations.count() == 0) return std::nullopt;
  return Quantiles{.p50 = durations.quantile(0.5), .p99 = durations.quantile(0.99)};
}

void add_closed(Rates& rates, const OutcomeCounts& now, const OutcomeCounts& before, double seconds) {
  for (std::size_t i = 0; i < outcome_count; ++i) {
    const double ended = rate(now[i], before[i], seconds);
    rates.closed += ended;
    const OutcomeKind kind = kind_of(static_cast<Outcome>(i));
    if (kind == OutcomeKind::refused) rates.refused += ended;
    if (kind == OutcomeKind::failed) rates.failed += ended;
  }
}

std::uint64_t total(const OutcomeCounts& counts) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : counts) sum += count;
  return sum;
}

}  // namespace

std::optional<SampleDetails> RateMeter::take(const ProgramReport& report, std::chrono::microseconds now) {
  Counters present = report.totals();
  const double seconds = std::chrono::duration<double>(now - last_time_).count();
  if (has_last_ && seconds <= 0) return std::nullopt;
  Counters before = std::exchange(last_, present);
  last_time_ = now;
  if (!std::exchange(has_last_, true)) return std::nullopt;

  before.add({.accepted = std::vector<std::uint64_t>(present.accepted.size()),
              .backends = std::vector<BackendCounters>(present.backends.size()),
              .routes = {},
              .closed = {},
              .first_flight = {},
              .connect = {},
              .connection = {}});  // room for what is new
  SampleDetails details;
  details.listeners.resize(present.accepted.size());
  details.backends.resize(present.backends.size());
  Sample& sample = details.sample;
  sample.time = report.time;
  sample.connections = report.connections();
  for (std::size_t i = 0; i < present.accepted.size(); ++i) {
    details.listeners[i].accepted = rate(present.accepted[i], before.accepted[i], seconds);
    sample.rates.accepted += details.listeners[i].accepted;
  }
  for (std::size_t i = 0; i < present.backends.size(); ++i) {
    const BackendCounters& one = present.backends[i];
    const BackendCounters& other = before.backends[i];
    Rates& rates = details.backends[i];
    rates.bytes_in = rate(one.bytes_in, other.bytes_in, seconds);
    rates.bytes_out = rate(one.bytes_out, other.bytes_out, seconds);
    rates.requests = rate(total(one.requests), total(other.requests), seconds);
    sample.rates.bytes_in += rates.bytes_in;
    sample.rates.bytes_out += rates.bytes_out;
    sample.rates.requests += rates.requests;
  }
  for (const auto& [key, counts] : present.closed) {
    const auto known = before.closed.find(key);
    const OutcomeCounts none{};
    const OutcomeCounts& earlier = known == before.closed.end() ? none : known->second;
    add_closed(sample.rates, counts, earlier, seconds);
    add_closed(details.listeners[Counters::listener_of(key)], counts, earlier, seconds);
    add_closed(details.backends[Counters::backend_of(key)], counts, earlier, seconds);
  }
  sample.first_flight = quantiles(present.first_flight.since(before.first_flight));
  sample.connect = quantiles(present.connect.since(before.connect));
  return details;
}

}  // namespace portshare
