#include "dispatch/dispatcher.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <future>
#include <random>
#include <system_error>
#include <utility>

#include "platform/cpu.h"
#include "platform/descriptor_limit.h"
#include "platform/pipe_pool.h"
#include "platform/resolver.h"

namespace portshare {

namespace {

/// From the system, so that nobody outside knows it.
SipKey random_key() {
  std::random_device device;
  SipKey key{};
  for (std::uint64_t& word : key) word = std::uint64_t{device()} << 32 | device();
  return key;
}

/// Of something that a worker is asked.
enum class Part : std::uint8_t { asked, begun, given_up };

/// False: another thread was faster.
bool claim(std::atomic<Part>& part, Part to) {
  auto expected = Part::asked;
  return part.compare_exchange_strong(expected, to);
}

}  // namespace

Dispatcher::Dispatcher(Loop& control) : control_(control), admission_key_(random_key()) {}

std::expected<std::unique_ptr<Dispatcher>, std::string> Dispatcher::start(
    std::shared_ptr<const Config> config, Loop& control, const DispatcherOptions& options) {
  std::unique_ptr<Dispatcher> dispatcher(new Dispatcher(control));
  dispatcher->descriptor_limit_ = raise_descriptor_limit();
  dispatcher->take_over_patience_ = options.take_over_patience;
  for (const PassedSocket& passed : options.passed_sockets) dispatcher->sockets_.inherit(passed);
  for (const ListeningSockets::Open& open : options.inherited) dispatcher->sockets_.inherit(open);
  dispatcher->registry_.emplace(config->server.workers != 0 ? config->server.workers : usable_cpu_count());
  dispatcher->names_.emplace(
      control,
      [self = dispatcher.get()](const std::string& host, std::function<void(DnsResolver::Answer)> done) {
        self->look_up(host, std::move(done));
      },
      [self = dispatcher.get()] { self->names_changed(); });
  const HostAnswers answers = resolve_hosts(dispatcher->names_->unknown_names(*config));
  Snapshot snapshot;
  if (auto prepared = dispatcher->prepare(snapshot, std::move(config), answers); !prepared) {
    return std::unexpected(prepared.error());
  }
  if (auto ready = options.on_bound ? options.on_bound() : Outcome(); !ready) {
    return std::unexpected(ready.error());
  }
  // Not before: the system may not give io_uring to the user that the program has become.
  if (auto chosen = dispatcher->choose_engine(*snapshot.config); !chosen)
    return std::unexpected(chosen.error());
  dispatcher->sockets_.apply_deferral(*snapshot.config, snapshot.sockets);
  dispatcher->snapshot_ = std::make_shared<const Snapshot>(std::move(snapshot));
  if (auto started = dispatcher->start_workers(); !started) return std::unexpected(started.error());
  dispatcher->watch_workers(options);
  dispatcher->health_.emplace(control, *dispatcher->registry_, Random(random_key()[0]));
  dispatcher->watch_servers();
  return dispatcher;
}

Dispatcher::~Dispatcher() {
  dns_.reset();
  names_.reset();
  health_.reset();
  if (!draining_) drain([] {});
  terminate();
  for (const auto& thread : threads_) thread->thread.join();
}

Dispatcher::Outcome Dispatcher::choose_engine(const Config& config) {
  if (config.server.engine == EngineChoice::epoll) {
    engine_ = Engine::epoll;
    return {};
  }
  engine_ = Engine::io_uring;
  const auto unavailable = probe_engine(Engine::io_uring);
  if (!unavailable) return {};
  if (config.server.engine == EngineChoice::io_uring || !unavailable->may_fall_back) {
    return std::unexpected(fmt::format(
        "cannot use io_uring: {}; set engine = \"epoll\" in [server] to do without", unavailable->reason));
  }
  spdlog::warn("io_uring is not available: {}; epoll takes its place", unavailable->reason);
  engine_ = Engine::epoll;
  return {};
}

std::size_t Dispatcher::sessions_per_worker(std::size_t workers) const {
  // Where descriptors are few, connections matter more than pipes, without which buffers serve.
  const std::size_t pipe_ends = std::min(2 * PipePool::most_pipes * workers, descriptor_limit_ / 8);
  // What is not a session: the engines' own descriptors with their pipes, logs and listening sockets. The
  // rest is two for each session, the client's socket and the server's.
  const std::size_t others = 16 + 4 * workers + pipe_ends + sockets_.all().size();
  const std::size_t reserved = std::min(others, descriptor_limit_ / 2);
  return std::max<std::size_t>((descriptor_limit_ - reserved) / 2 / workers, 1);
}

Dispatcher::Outcome Dispatcher::start_workers() {
  const Config& config = *snapshot_->config;
  const std::size_t workers = config.server.workers != 0 ? config.server.workers : usable_cpu_count();
  access_log_.emplace(workers);
  access_log_->adopt(snapshot_, access_log_file_);
  const std::size_t max_sessions = sessions_per_worker(workers);
  accept_counts_.emplace(workers);
  std::vector<std::future<std::string>> outcomes;  // of the start: an error, or nothing
  std::string error;
  for (std::uint32_t index = 0; index < workers; ++index) {
    std::promise<std::string> started;
    auto outcome = started.get_future();
    auto self = std::make_unique<WorkerThread>();
    try {
      self->thread = std::thread(&Dispatcher::run_worker, this, std::ref(*self), index, max_sessions,
                                 std::move(started));
    } catch (const std::system_error& failure) {
      error = fmt::format(
          "worker {}: cannot start a thread: {}; raise the limit of tasks (TasksMax, ulimit -u) or set fewer "
          "workers in [server]",
          index, failure.code().message());
      break;
    }
    outcomes.push_back(std::move(outcome));
    threads_.push_back(std::move(self));
  }
  for (auto& outcome : outcomes) {
    const std::string worker_error = outcome.get();
    if (error.empty()) error = worker_error;
  }
  if (!error.empty()) return std::unexpected(std::move(error));
  accepting_workers_ = running_workers_ = workers;
  spdlog::info("{} worker{} with {}, {} connections at a time each", workers, workers == 1 ? "" : "s",
               to_string(engine_), max_sessions);
  return {};
}

void Dispatcher::run_worker(WorkerThread& self, std::uint32_t index, std::size_t max_sessions,
                            std::promise<std::string> started) {
  auto backend = make_engine(engine_);
  if (!backend) {
    started.set_value(
        fmt::format("worker {}: cannot start {}: {}", index, to_string(engine_), backend.error().reason));
    return;
  }
  Loop loop(std::move(*backend));
  WorkerOptions options;
  options.index = index;
  options.max_sessions = max_sessions;
  options.accept_counts = &*accept_counts_;
  options.access_log = &access_log_->ring(index);
  options.notify_log = [this] { access_log_->notify(); };
  Worker worker(loop, snapshot_, std::move(options));
  worker.start();
  {
    const std::lock_guard lock(self.mutex);
    self.loop = &loop;
    self.worker = &worker;
  }
  started.set_value({});
  loop.run();
  {
    const std::lock_guard lock(self.mutex);
    self.loop = nullptr;
    self.worker = nullptr;
  }
  loop.run_once(
      std::chrono::milliseconds{0});  // for somebody who has asked meanwhile and waits for an answer
  on_control([this] { worker_drained(); });
}

/// Called by workers. A dispatcher that has gone by then is not called back.
void Dispatcher::on_control(std::function<void()> task) {
  control_.post([life = std::weak_ptr(life_), task = std::move(task)] {
    if (!life.expired()) task();
  });
}

std::size_t Dispatcher::post(const std::function<void(Worker&)>& task) {
  std::size_t asked = 0;
  for (const auto& thread : threads_) {
    const std::lock_guard lock(thread->mutex);
    if (!thread->loop) continue;
    thread->loop->post([worker = thread->worker, task] { task(*worker); });
    ++asked;
  }
  return asked;
}

/// Something that all workers are asked.
struct Dispatcher::Question {
  Question(std::size_t workers, std::function<void()> then) : parts(workers), done(std::move(then)) {}

  /// On the control thread.
  void answered() {
    if (--left == 0) done();
  }

  std::vector<std::atomic<Part>> parts;  // by worker
  std::size_t left = 1;                  // the one who asks counts, too: there may be no worker
  std::function<void()> done;
};

void Dispatcher::ask_workers(const std::function<void(Worker&)>& task, std::function<void()> done) {
  const auto question = std::make_shared<Question>(threads_.size(), std::move(done));
  for (std::size_t index = 0; index < threads_.size(); ++index) {
    if (watch_->is_stuck(index)) continue;
    WorkerThread& thread = *threads_[index];
    const std::lock_guard lock(thread.mutex);
    if (!thread.loop) continue;
    ++question->left;
    thread.loop->post([this, index, question, task, worker = thread.worker] {
      if (!claim(question->parts[index], Part::begun)) return;
      task(*worker);
      on_control([question] { question->answered(); });
    });
  }
  on_control([question] { question->answered(); });
  std::erase_if(questions_, [](const auto& earlier) { return earlier.expired(); });
  questions_.push_back(question);
}

/// Nobody waits for its answers.
void Dispatcher::found_stuck(std::size_t worker) {
  check_only_stuck_left();
  const auto questions = questions_;  // an answer may lead to another question
  for (const auto& asked : questions) {
    const auto question = asked.lock();
    if (!question || question->left == 0) continue;
    if (claim(question->parts[worker], Part::given_up)) question->answered();
  }
}

bool Dispatcher::ask_worker(std::size_t index, std::function<void()> answer) {
  WorkerThread& thread = *threads_[index];
  const std::lock_guard lock(thread.mutex);
  if (!thread.loop) return false;
  thread.loop->post([this, answer = std::move(answer)] { on_control(answer); });
  return true;
}

void Dispatcher::watch_workers(const DispatcherOptions& options) {
  WorkerWatch::Options watch;
  watch.workers = worker_count();
  watch.ask = [this](std::size_t worker, std::function<void()> answer) {
    return ask_worker(worker, std::move(answer));
  };
  watch.found_stuck = [this](std::size_t worker) { found_stuck(worker); };
  if (options.watchdog_timeout) {
    // What is late by half of the time would come too late the next time.
    const auto half = std::chrono::floor<std::chrono::milliseconds>(*options.watchdog_timeout / 2);
    watch.interval = std::clamp(half, std::chrono::milliseconds{1}, watch.interval);
    watch.patience = std::clamp(half, std::chrono::milliseconds{1}, watch.patience);
    watch.all_come_round = options.all_well;
  }
  watch_.emplace(control_, std::move(watch));
}

// --- The end ---

void Dispatcher::drain(std::function<void()> finished) {
  assert(!draining_);
  finished_ = std::move(finished);
  draining_ = true;
  post([this](Worker& worker) {
    worker.drain([this] { on_control([this] { worker_stopped_accepting(); }); },
                 [&worker] { worker.loop().stop(); });
  });
}

void Dispatcher::hand_over(const SessionSender& sender, std::function<void()> stopped_accepting,
                           std::function<void()> finished, std::function<void()> only_stuck_left) {
  assert(!draining_);
  finished_ = std::move(finished);
  handed_over_ = std::move(stopped_accepting);
  only_stuck_left_ = std::move(only_stuck_left);
  draining_ = true;
  sockets_.lend_all();
  for (const auto& thread : threads_) {
    const std::lock_guard lock(thread->mutex);
    if (!thread->loop) continue;
    // The answer finds the worker, which has at least that session.
    const auto mover = [self = thread.get(), sender](Session& session, MovedSession state) {
      sender(std::move(state), [self, &session](bool is_taken) {
        const std::lock_guard thread_lock(self->mutex);
        self->loop->post([&session, is_taken] { session.moved(is_taken); });
      });
    };
    thread->loop->post([this, worker = thread->worker, mover] {
      worker->hand_over(
          mover, [this] { on_control([this] { worker_stopped_accepting(); }); },
          [worker] { worker->loop().stop(); });
    });
  }
}

void Dispatcher::own_inherited() {
  sockets_.own_all();
}

void Dispatcher::predecessor_stopped_accepting() {
  ask_workers([](Worker& worker) { worker.renew_accepts(); }, [] {});
  if (draining_ || !sockets_.has_others(snapshot_->sockets)) return;
  // It closes those that this configuration does not have, in its turn.
  change([](Snapshot&) { return Outcome(); },
         [](const Outcome& outcome) {
           if (!outcome)
             spdlog::error("upgrade: addresses without a listener stay bound: {}", outcome.error());
         });
}

/// A session from another program that a worker is offered.
struct Dispatcher::Arrival {
  MovedSession session;
  std::atomic<Part> part = Part::asked;
  std::promise<bool> is_taken;
};

bool Dispatcher::take_over(MovedSession session, const std::function<bool()>& commit) {
  constexpr int most_tries = 2;  // the other program waits, and its connections
  int tries = 0;
  for (std::size_t looked_at = 0; looked_at < threads_.size() && tries < most_tries; ++looked_at) {
    const std::size_t index = next_worker_++ % threads_.size();
    WorkerThread& thread = *threads_[index];
    if (thread.is_late) continue;
    const auto arrival = std::make_shared<Arrival>(std::move(session));
    auto is_taken = arrival->is_taken.get_future();
    {
      const std::lock_guard lock(thread.mutex);
      if (!thread.loop) return false;  // this program is at its end
      thread.loop->post([arrival, commit, self = &thread, worker = thread.worker] {
        self->is_late = false;
        if (!claim(arrival->part, Part::begun)) return;
        arrival->is_taken.set_value(worker->take_over(arrival->session, commit));
      });
    }
    ++tries;
    const bool is_answered = is_taken.wait_for(take_over_patience_) == std::future_status::ready;
    // Once it has begun, it is done in a moment.
    if (is_answered || !claim(arrival->part, Part::given_up)) return is_taken.get();
    thread.is_late = true;
    spdlog::error("upgrade: worker {} does not come round; connections go to others, or stay where they are",
                  index);
    session = std::move(arrival->session);
  }
  return false;
}

void Dispatcher::worker_stopped_accepting() {
  if (--accepting_workers_ > 0) return;
  sockets_.close_all();
  if (handed_over_) handed_over_();
}

void Dispatcher::worker_drained() {
  if (--running_workers_ == 0) return finished_();
  check_only_stuck_left();
}

bool Dispatcher::only_stuck_workers_left() const {
  return running_workers_ > 0 && watch_->stuck_count() == running_workers_;
}

void Dispatcher::check_only_stuck_left() {
  if (only_stuck_left_ && only_stuck_workers_left()) only_stuck_left_();
}

void Dispatcher::hasten() {
  post([](Worker& worker) { worker.hasten(); });
}

void Dispatcher::terminate() {
  post([](Worker& worker) { worker.terminate_all(); });
}

}  // namespace portshare
