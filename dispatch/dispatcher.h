// The running program: its listening sockets, its workers, its access log.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/socket_address.h"
#include "dispatch/access_log.h"
#include "dispatch/admission.h"
#include "dispatch/config.h"
#include "dispatch/server_pool.h"
#include "dispatch/worker.h"
#include "platform/engine.h"
#include "platform/loop.h"

namespace portshare {

/// Binds every address of a configuration and serves it by as many workers as it says, each on a thread of
/// its own. All calls are for the thread that started it.
class Dispatcher {
 public:
  /// Resolves servers, opens the access log, binds, starts the workers: when this returns, connections are
  /// being accepted. The error is one or more sentences, a line each; nothing is left behind then. `config`
  /// must outlive the dispatcher.
  static std::expected<std::unique_ptr<Dispatcher>, std::string> start(const Config& config);
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;
  /// Ends all connections now, if there are any left.
  ~Dispatcher();

  /// Stops accepting, gives the ports back, and lets run what runs. `finished` is called on some other thread
  /// when the last connection has ended.
  void drain(std::function<void()> finished);
  /// Ends all connections. After drain().
  void terminate();

  /// The addresses that are bound, with the port that the system chose where the configuration says 0.
  [[nodiscard]] const std::vector<SocketAddress>& bound_addresses() const { return bound_addresses_; }
  [[nodiscard]] Engine engine() const { return engine_; }
  [[nodiscard]] std::size_t worker_count() const { return threads_.size(); }

 private:
  /// A worker and its thread. The loop can be reached from outside as long as it runs.
  struct WorkerThread {
    std::mutex mutex;
    Loop* loop = nullptr;
    Worker* worker = nullptr;
    std::thread thread;
  };
  explicit Dispatcher(const Config& config);
  std::expected<void, std::string> choose_engine();
  std::expected<void, std::string> bind();
  std::expected<void, std::string> check_loops();
  std::expected<void, std::string> start_workers();
  void run_worker(WorkerThread& self, std::uint32_t index, std::size_t max_sessions,
                  std::promise<std::string> started);
  /// Has each running worker do something on its own thread.
  void post(const std::function<void(Worker&)>& task);
  void worker_stopped_accepting();
  void worker_drained();
  void close_sockets();
  [[nodiscard]] std::size_t sessions_per_worker(std::size_t workers) const;

  const Config& config_;
  ServerRegistry registry_;
  ServerPool servers_;
  Engine engine_ = Engine::epoll;
  std::size_t descriptor_limit_ = 0;
  std::unique_ptr<AccessLog> access_log_;
  Admission admission_;
  std::optional<AcceptCounts> accept_counts_;
  std::vector<ListeningSocket> sockets_;
  std::vector<SocketAddress> bound_addresses_;
  std::vector<std::unique_ptr<WorkerThread>> threads_;
  std::atomic<std::size_t> accepting_workers_ = 0;  // the last one closes the sockets
  std::atomic<std::size_t> running_workers_ = 0;
  bool draining_ = false;
  std::function<void()> finished_;
};

}  // namespace portshare
