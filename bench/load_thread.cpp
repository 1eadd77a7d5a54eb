#include "bench/load_thread.h"

#include <memory>
#include <utility>

#include "bench/bulk_load.h"
#include "bench/connections_load.h"
#include "bench/idle_load.h"
#include "bench/ping_pong_load.h"
#include "bench/slow_load.h"
#include "platform/engine.h"
#include "platform/signals.h"

namespace portshare {
namespace {

std::unique_ptr<Load> make_load(LoadContext& context) {
  switch (context.settings.kind) {
    case LoadKind::ping_pong:
      return std::make_unique<PingPongLoad>(context);
    case LoadKind::bulk:
      return std::make_unique<BulkLoad>(context);
    case LoadKind::idle:
      return std::make_unique<IdleLoad>(context);
    case LoadKind::slow:
      return std::make_unique<SlowLoad>(context);
    case LoadKind::connections:
      break;
  }
  return std::make_unique<ConnectionsLoad>(context);
}

/// Sets it once, and tells the main thread.
void announce(std::atomic<bool>& flag) {
  if (!flag.exchange(true)) wake_signal_waiter();
}

}  // namespace

LoadThread::LoadThread(const LoadSettings& settings, const FirstBytes& first_bytes, unsigned index)
    : settings_(settings), first_bytes_(first_bytes), index_(index), thread_([this] { run(); }) {}

LoadThread::~LoadThread() {
  if (thread_.joinable()) thread_.join();
}

void LoadThread::run() {
  auto backend = make_engine(settings_.engine);
  if (!backend) {
    error_ = std::string(to_string(settings_.engine)) + ": " + backend.error().reason;
    announce(failed_);
    return;
  }
  Loop loop(std::move(*backend));
  LoadContext context(loop, settings_, first_bytes_, index_);
  const auto load = make_load(context);
  loop_ = &loop;
  load_ = load.get();
  load->prepare();
  announce(started_);
  while (!stopping_ || !load->is_quiet()) {
    if (load->is_ready()) announce(ready_);
    loop.run_once();
    if (!stopping_) load->after_turn();
    publish(context.statistics);
    if (running_ && load->is_complete()) announce(complete_);
  }
  statistics_ = std::move(context.statistics);
  // The loop must outlive the call that posted, which may still be waking it.
  posted_stop_.wait(false);
}

void LoadThread::publish(const Statistics& statistics) {
  live_completed_.store(statistics.completed, std::memory_order_relaxed);
  live_errors_.store(statistics.failed(), std::memory_order_relaxed);
  live_bytes_.store(statistics.bytes_sent + statistics.bytes_received, std::memory_order_relaxed);
}

void LoadThread::go(nanoseconds start) {
  loop_->post([this, start] {
    running_ = true;
    load_->go(start);
  });
}

void LoadThread::end_warm_up() {
  loop_->post([this] { load_->end_warm_up(); });
}

void LoadThread::stop() {
  loop_->post([this] {
    running_ = false;
    stopping_ = true;
    overdue_ = load_->overdue(clock_now());
    load_->stop();
  });
  posted_stop_ = true;
  posted_stop_.notify_one();
}

}  // namespace portshare
