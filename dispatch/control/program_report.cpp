#include "dispatch/control/program_report.h"

#include <algorithm>

namespace portshare {

Counters ProgramReport::totals() const {
  Counters sum;
  if (ids) sum.make_room(*ids);
  for (const WorkerReport& worker : workers) sum.add(worker.counters);
  return sum;
}

std::size_t ProgramReport::connections() const {
  std::size_t sum = 0;
  for (const WorkerReport& worker : workers) sum += worker.connections;
  return sum;
}

std::vector<BusyName> ProgramReport::busiest_names(std::size_t limit) const {
  std::vector<BusyNames::Counts> counts;
  counts.reserve(workers.size());
  for (const WorkerReport& worker : workers) counts.push_back(worker.names);
  return busiest_of(counts, limit);
}

std::chrono::microseconds ProgramReport::names_time() const {
  std::chrono::microseconds longest{0};
  for (const WorkerReport& worker : workers) longest = std::max(longest, worker.names.time);
  return longest;
}

std::vector<RecordedFailure> ProgramReport::failures(std::size_t limit) const {
  std::vector<RecordedFailure> all;
  for (const WorkerReport& worker : workers) {
    all.insert(all.end(), worker.failures.begin(), worker.failures.end());
  }
  std::ranges::sort(all, std::ranges::greater{}, &RecordedFailure::time);
  if (all.size() > limit) all.resize(limit);
  return all;
}

}  // namespace portshare
