#include "bench/load_run.h"

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "bench/load_thread.h"
#include "platform/process_usage.h"
#include "platform/signals.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;

constexpr nanoseconds progress_interval = std::chrono::seconds{1};
constexpr nanoseconds forever = nanoseconds::max();

/// CPU time used so far.
struct CpuSample {
  nanoseconds time;
  nanoseconds generator;
  nanoseconds server;
  nanoseconds helpers;
  nanoseconds machine;
};

std::expected<nanoseconds, std::string> cpu_of(std::span<const int> pids) {
  nanoseconds cpu{};
  for (const int pid : pids) {
    const auto usage = usage_of_process_tree(pid);
    if (!usage) return std::unexpected(usage.error());
    cpu += usage->cpu;
  }
  return cpu;
}

std::expected<CpuSample, std::string> sample_cpu(const TakingPart& processes) {
  const auto server = cpu_of(processes.servers);
  if (!server) return std::unexpected(server.error());
  const auto helpers = cpu_of(processes.helpers);
  if (!helpers) return std::unexpected(helpers.error());
  return CpuSample{.time = clock_now(),
                   .generator = cpu_time_of_this_process(),
                   .server = *server,
                   .helpers = *helpers,
                   .machine = cpu_time_of_this_machine()};
}

std::expected<std::uint64_t, std::string> memory_of(std::span<const int> server_pids) {
  std::uint64_t bytes = 0;
  for (const int pid : server_pids) {
    const auto memory = memory_of_process_tree(pid);
    if (!memory) return std::unexpected(memory.error());
    bytes += *memory;
  }
  return bytes;
}

/// The threads of a run, as the main thread sees them.
class Run {
 public:
  Run(const LoadSettings& settings, const ProgressObserver& observer)
      : settings_(settings), observer_(observer), first_bytes_(settings.first_bytes) {
    for (unsigned i = 0; i < settings.threads; ++i)
      threads_.push_back(std::make_unique<LoadThread>(settings, first_bytes_, i));
  }

  /// Until all connections are there that the load begins with.
  void wait_until_ready() {
    wait(forever, &LoadThread::is_started);
    wait(forever, &LoadThread::is_ready);
  }
  /// Until the time is over, a share is done everywhere, or a signal ends it.
  void wait_for(nanoseconds duration) { wait(duration, &LoadThread::is_complete); }
  void go() {
    begin_ = clock_now();
    for (const auto& thread : threads_) thread->go(begin_);
  }
  void end_warm_up() {
    for (const auto& thread : threads_) thread->end_warm_up();
  }
  void stop() {
    for (const auto& thread : threads_)
      if (!thread->has_failed()) thread->stop();
    for (const auto& thread : threads_) thread->join();
  }
  void collect(LoadResult& result) const {
    for (const auto& thread : threads_) {
      result.statistics.merge(thread->statistics());
      result.overdue += thread->overdue();
    }
    result.was_interrupted = was_interrupted_;
  }
  [[nodiscard]] const std::string* error() const {
    for (const auto& thread : threads_)
      if (thread->has_failed()) return &thread->error();
    return nullptr;
  }

 private:
  void wait(nanoseconds duration, bool (LoadThread::*condition)() const) {
    const nanoseconds now = clock_now();
    const nanoseconds end = duration > forever - now ? forever : now + duration;
    const auto is_met = [&](const auto& thread) { return thread->has_failed() || ((*thread).*condition)(); };
    while (!was_interrupted_ && !std::ranges::all_of(threads_, is_met)) {
      const nanoseconds left = std::min(end, next_progress_) - clock_now();
      if (end <= clock_now()) return;
      const auto signal = wait_for_signal(std::max(std::chrono::ceil<milliseconds>(left), milliseconds{0}));
      // A thread that has not started cannot be stopped yet.
      if (signal == Signal::terminate && condition != &LoadThread::is_started) was_interrupted_ = true;
      if (clock_now() >= next_progress_) report_progress();
    }
  }

  void report_progress() {
    next_progress_ += progress_interval;
    if (!observer_) return;
    LoadProgress progress{.elapsed = clock_now() - begin_};
    for (const auto& thread : threads_) {
      progress.completed += thread->completed();
      progress.failed += thread->errors();
      progress.bytes += thread->bytes();
    }
    observer_(progress);
  }

  const LoadSettings& settings_;
  const ProgressObserver& observer_;
  FirstBytes first_bytes_;
  std::vector<std::unique_ptr<LoadThread>> threads_;
  nanoseconds begin_ = clock_now();
  nanoseconds next_progress_ = begin_ + progress_interval;
  bool was_interrupted_ = false;
};

}  // namespace

double LoadResult::units(LoadKind kind) const {
  constexpr double bytes_per_gigabyte = 1e9;
  if (kind == LoadKind::bulk)
    return static_cast<double>(statistics.bytes_sent + statistics.bytes_received) / bytes_per_gigabyte;
  return static_cast<double>(statistics.completed);
}

std::expected<LoadResult, std::string> run_load(const LoadSettings& settings, const TakingPart& processes,
                                                const ProgressObserver& observer) {
  LoadResult result;
  const bool measures_memory = settings.kind == LoadKind::idle && !processes.servers.empty();
  if (measures_memory) {
    const auto memory = memory_of(processes.servers);
    if (!memory) return std::unexpected(memory.error());
    result.server_memory_before = *memory;
  }

  auto before = sample_cpu(processes);
  Run run(settings, observer);
  run.wait_until_ready();
  // What idle connections cost is above all that they came.
  if (settings.kind != LoadKind::idle) before = sample_cpu(processes);
  run.go();
  if (settings.warm_up > nanoseconds{}) {
    run.wait_for(settings.warm_up);
    before = sample_cpu(processes);
    run.end_warm_up();
  }
  run.wait_for(settings.duration > nanoseconds{} ? settings.duration : forever);
  const auto after = sample_cpu(processes);
  const auto memory =
      measures_memory ? memory_of(processes.servers) : std::expected<std::uint64_t, std::string>(0);
  run.stop();

  if (const std::string* error = run.error()) return std::unexpected(*error);
  if (!before) return std::unexpected(before.error());
  if (!after) return std::unexpected(after.error() + ": the server has ended during the run");
  if (!memory) return std::unexpected(memory.error());
  run.collect(result);
  result.elapsed = after->time - before->time;
  result.generator_cpu = after->generator - before->generator;
  const nanoseconds server = after->server - before->server;
  if (!processes.servers.empty()) result.server_cpu = server;
  if (measures_memory) result.server_memory = *memory;
  const nanoseconds known = result.generator_cpu + server + (after->helpers - before->helpers);
  result.other_cpu = std::max(after->machine - before->machine - known, nanoseconds{});
  return result;
}

}  // namespace portshare
