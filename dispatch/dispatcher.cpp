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

#include "dispatch/loops.h"
#include "platform/cpu.h"
#include "platform/descriptor_limit.h"
#include "platform/listening_socket.h"
#include "platform/pipe_pool.h"
#include "platform/resolver.h"

namespace portshare {

namespace {

/// A program that was killed may hold its ports a moment longer: the kernel takes rings of io_uring down in
/// the background.
std::expected<Socket, ListenError> open_when_free(const SocketAddress& address,
                                                  std::chrono::seconds defer_accept) {
  constexpr std::chrono::milliseconds patience{500};
  constexpr std::chrono::milliseconds pause{20};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto socket = open_listening_socket(address, defer_accept);
    const bool is_taken = !socket && std::error_code(socket.error().system_error, std::generic_category()) ==
                                         std::errc::address_in_use;
    if (!is_taken || std::chrono::steady_clock::now() >= deadline) return socket;
    std::this_thread::sleep_for(pause);
  }
}

/// From the system, so that nobody outside knows it.
SipKey random_key() {
  std::random_device device;
  SipKey key{};
  for (std::uint64_t& word : key) word = std::uint64_t{device()} << 32 | device();
  return key;
}

}  // namespace

Dispatcher::Dispatcher(const Config& config)
    : config_(config),
      registry_(config.server.workers != 0 ? config.server.workers : usable_cpu_count()),
      admission_(config, random_key()) {}

std::expected<std::unique_ptr<Dispatcher>, std::string> Dispatcher::start(const Config& config) {
  std::unique_ptr<Dispatcher> dispatcher(new Dispatcher(config));
  dispatcher->descriptor_limit_ = raise_descriptor_limit();
  auto servers = ServerPool::resolve(config, resolve_host, dispatcher->registry_);
  if (!servers) return std::unexpected(std::move(servers.error()));
  dispatcher->servers_ = std::move(*servers);
  if (const auto chosen = dispatcher->choose_engine(); !chosen) return std::unexpected(chosen.error());
  if (const auto bound = dispatcher->bind(); !bound) return std::unexpected(bound.error());
  if (const auto sound = dispatcher->check_loops(); !sound) return std::unexpected(sound.error());
  if (const auto started = dispatcher->start_workers(); !started) return std::unexpected(started.error());
  return dispatcher;
}

Dispatcher::~Dispatcher() {
  if (!draining_) drain([] {});
  terminate();
  for (const auto& thread : threads_) thread->thread.join();
  close_sockets();  // if there was never a worker to do it
}

std::expected<void, std::string> Dispatcher::choose_engine() {
  if (config_.server.engine == EngineChoice::epoll) {
    engine_ = Engine::epoll;
    return {};
  }
  engine_ = Engine::io_uring;
  const auto unavailable = probe_engine(Engine::io_uring);
  if (!unavailable) return {};
  if (config_.server.engine == EngineChoice::io_uring || !unavailable->may_fall_back) {
    return std::unexpected(fmt::format(
        "cannot use io_uring: {}; set engine = \"epoll\" in [server] to do without", unavailable->reason));
  }
  spdlog::warn("io_uring is not available: {}; epoll takes its place", unavailable->reason);
  engine_ = Engine::epoll;
  return {};
}

std::expected<void, std::string> Dispatcher::bind() {
  std::string errors;
  for (std::uint32_t listener = 0; listener < config_.listeners.size(); ++listener) {
    const std::chrono::seconds defer_accept{
        config_.listeners[listener].defers_accept() ? ListenerConfig::accept_deferral.count() : 0};
    for (const SocketAddress& address : config_.listeners[listener].bind) {
      const auto socket = open_when_free(address, defer_accept);
      if (!socket) {
        errors.append(errors.empty() ? "" : "\n");
        errors.append(
            fmt::format("listener '{}': {}", config_.listeners[listener].name, socket.error().message));
        continue;
      }
      sockets_.push_back({.listener = listener, .socket = *socket});
      bound_addresses_.push_back(address_of_listening_socket(*socket));
      spdlog::info("listener '{}' takes connections on {}", config_.listeners[listener].name,
                   bound_addresses_.back().to_string());
    }
  }
  if (errors.empty()) return {};
  return std::unexpected(std::move(errors));
}

std::expected<void, std::string> Dispatcher::check_loops() {
  std::vector<ListenerAddress> listening;
  listening.reserve(sockets_.size());
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    listening.push_back({.listener = sockets_[i].listener, .address = bound_addresses_[i]});
  }
  return portshare::check_loops(config_, listening, servers_);
}

std::size_t Dispatcher::sessions_per_worker(std::size_t workers) const {
  // Where descriptors are few, connections matter more than pipes, without which buffers serve.
  const std::size_t pipe_ends = std::min(2 * PipePool::most_pipes * workers, descriptor_limit_ / 8);
  // What is not a session: the engines' own descriptors with their pipes, logs and listening sockets. The
  // rest is two for each session, the client's socket and the server's.
  const std::size_t others = 16 + 4 * workers + pipe_ends + sockets_.size();
  const std::size_t reserved = std::min(others, descriptor_limit_ / 2);
  return std::max<std::size_t>((descriptor_limit_ - reserved) / 2 / workers, 1);
}

std::expected<void, std::string> Dispatcher::start_workers() {
  const std::size_t workers = config_.server.workers != 0 ? config_.server.workers : usable_cpu_count();
  if (config_.server.log.access != LogConfig::AccessTarget::off) {
    auto log = AccessLog::open(config_, servers_, workers);
    if (!log) return std::unexpected(std::move(log.error()));
    access_log_ = std::move(*log);
  }
  const std::size_t max_sessions = sessions_per_worker(workers);
  accept_counts_.emplace(workers);
  std::vector<std::future<std::string>> outcomes;  // of the start: an error, or nothing
  accepting_workers_ = running_workers_ = workers;
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
      accepting_workers_ -= workers - index;
      running_workers_ -= workers - index;
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
  spdlog::info("{} worker{} with {}, {} connections at a time each", workers, workers == 1 ? "" : "s",
               to_string(engine_), max_sessions);
  return {};
}

void Dispatcher::run_worker(WorkerThread& self, std::uint32_t index, std::size_t max_sessions,
                            std::promise<std::string> started) {
  auto backend = make_engine(engine_);
  if (!backend) {
    worker_stopped_accepting();
    worker_drained();
    // Last, because whoever waits for it goes on to drain the others.
    started.set_value(
        fmt::format("worker {}: cannot start {}: {}", index, to_string(engine_), backend.error().reason));
    return;
  }
  Loop loop(std::move(*backend));
  WorkerOptions options;
  options.index = index;
  options.max_sessions = max_sessions;
  options.admission = &admission_;
  options.accept_counts = &*accept_counts_;
  if (access_log_) {
    options.access_log = &access_log_->ring(index);
    options.notify_log = [this] { access_log_->notify(); };
  }
  Worker worker(loop, config_, servers_, sockets_, std::move(options));
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
  worker_drained();
}

void Dispatcher::worker_stopped_accepting() {
  if (--accepting_workers_ == 0) close_sockets();
}

void Dispatcher::close_sockets() {
  for (const ListeningSocket& socket : sockets_) close_listening_socket(socket.socket);
  sockets_.clear();
}

void Dispatcher::worker_drained() {
  if (--running_workers_ > 0) return;
  // Without a drain nobody waits: a worker could not start.
  if (draining_) finished_();
}

void Dispatcher::post(const std::function<void(Worker&)>& task) {
  for (const auto& thread : threads_) {
    const std::lock_guard lock(thread->mutex);
    if (!thread->loop) continue;
    thread->loop->post([worker = thread->worker, task] { task(*worker); });
  }
}

void Dispatcher::drain(std::function<void()> finished) {
  assert(!draining_);
  finished_ = std::move(finished);
  draining_ = true;
  post([this](Worker& worker) {
    worker.drain([this] { worker_stopped_accepting(); }, [&worker] { worker.loop().stop(); });
  });
}

void Dispatcher::terminate() {
  post([](Worker& worker) { worker.terminate_all(); });
}

}  // namespace portshare
