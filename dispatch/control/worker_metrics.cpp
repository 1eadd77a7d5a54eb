#include "dispatch/control/worker_metrics.h"

#include <algorithm>
#include <numeric>

namespace portshare {

namespace {

void add_outcomes(OutcomeCounts& sum, const OutcomeCounts& counts) {
  for (std::size_t i = 0; i < outcome_count; ++i) sum[i] += counts[i];
}

template <typename Count>
void grow(std::vector<Count>& counts, std::size_t size) {
  if (counts.size() < size) counts.resize(size);
}

void add_up(std::vector<std::uint64_t>& sums, const std::vector<std::uint64_t>& counts) {
  grow(sums, counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) sums[i] += counts[i];
}

}  // namespace

void Counters::make_room(const MetricIds& ids) {
  grow(accepted, ids.listener_count);
  grow(backends, ids.backend_count);
  grow(routes, ids.route_count);
}

void Counters::add(const Counters& other) {
  add_up(accepted, other.accepted);
  add_up(routes, other.routes);
  grow(backends, other.backends.size());
  for (std::size_t i = 0; i < other.backends.size(); ++i) {
    const BackendCounters& from = other.backends[i];
    BackendCounters& to = backends[i];
    to.bytes_in += from.bytes_in;
    to.bytes_out += from.bytes_out;
    to.retries += from.retries;
    to.connected += from.connected;
    add_outcomes(to.requests, from.requests);
  }
  for (const auto& [key, counts] : other.closed) add_outcomes(closed[key], counts);
  first_flight.add(other.first_flight);
  connect.add(other.connect);
  connection.add(other.connection);
  accept_pauses += other.accept_pauses;
}

std::uint64_t Counters::accepted_in_total() const {
  return std::accumulate(accepted.begin(), accepted.end(), std::uint64_t{0});
}

OutcomeCounts Counters::closed_in_total() const {
  OutcomeCounts sum{};
  for (const auto& [key, counts] : closed) add_outcomes(sum, counts);
  return sum;
}

std::uint64_t Counters::closed_of_listener(std::uint32_t listener) const {
  std::uint64_t sum = 0;
  for (const auto& [key, counts] : closed) {
    if (listener_of(key) == listener) sum = std::accumulate(counts.begin(), counts.end(), sum);
  }
  return sum;
}

std::vector<RecordedFailure> RecentFailures::list() const {
  const std::size_t size = std::min(written_, capacity);
  std::vector<RecordedFailure> list;
  list.reserve(size);
  for (std::size_t i = written_ - size; i < written_; ++i) list.push_back(failures_[i % capacity]);
  return list;
}

}  // namespace portshare
