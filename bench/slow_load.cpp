#include "bench/slow_load.h"

#include <algorithm>

#include "core/timer_wheel.h"

namespace portshare {

class SlowLoad::Dripper final : public Client {
 public:
  explicit Dripper(SlowLoad& load)
      : Client(load.context_),
        load_(load),
        next_drop_([](void* client) { static_cast<Dripper*>(client)->drip(); }, this) {}

  void stop() {
    context().loop.cancel(next_drop_);
    abandon();
  }

 private:
  SlowClients& counts() { return statistics().slow; }

  void connected() override {
    count_as_opened();
    ++counts().opened;
    stop_timeout();
    is_connected_ = true;
    unsent_ = first_bytes();
    skip_greeting();
    receive();
    drip();
  }
  void opened() override {}
  void drip() {
    const ByteView drop = unsent_.first(1);
    unsent_ = unsent_.subspan(1);
    send(drop);
  }
  void sent() override {
    if (!unsent_.empty()) context().loop.arm(next_drop_, context().settings.interval);
  }
  void received(ByteView /*bytes*/) override {
    ++(unsent_.empty() ? counts().answered : counts().cut_off);
    end();
    close(CloseMode::reset);
  }
  void ended() override { fail(ErrorKind::ended_early); }
  void failed(ErrorKind /*kind*/) override {
    ++(is_connected_ ? counts().cut_off : counts().failed);
    end();
  }
  void end() {
    is_connected_ = false;
    context().loop.cancel(next_drop_);
  }
  void closed() override {
    count_as_opened();
    load_.closed_.push_back(this);
  }
  void count_as_opened() {
    if (!was_opened_) ++load_.opened_once_;
    was_opened_ = true;
  }

  SlowLoad& load_;
  Timer next_drop_;
  ByteView unsent_;
  bool is_connected_ = false;
  bool was_opened_ = false;  // or failed before
};

SlowLoad::SlowLoad(LoadContext& context) : context_(context), good_(context) {
  const unsigned count = context.share_of(context.settings.slow_clients);
  for (unsigned i = 0; i < count; ++i) clients_.push_back(std::make_unique<Dripper>(*this));
  for (const auto& client : clients_) closed_.push_back(client.get());
}

SlowLoad::~SlowLoad() = default;

void SlowLoad::after_turn() {
  good_.after_turn();
  open_closed_ones();
}

void SlowLoad::open_closed_ones() {
  if (stopping_ || closed_.empty()) return;
  std::vector<Dripper*> closed;
  closed.swap(closed_);
  for (Dripper* client : closed) client->open(clock_now());
}

void SlowLoad::end_warm_up() {
  const SlowClients slow = context_.statistics.slow;  // those that are there drip on
  good_.end_warm_up();
  context_.statistics.slow = slow;
}

void SlowLoad::stop() {
  stopping_ = true;
  good_.stop();
  for (const auto& client : clients_) client->stop();
}

bool SlowLoad::is_quiet() const {
  return good_.is_quiet() &&
         std::ranges::all_of(clients_, [](const auto& client) { return client->is_idle(); });
}

}  // namespace portshare
