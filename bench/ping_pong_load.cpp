#include "bench/ping_pong_load.h"

#include <algorithm>

namespace portshare {

class PingPongLoad::Player final : public Client {
 public:
  explicit Player(PingPongLoad& load) : Client(load.context_), load_(load) {}

  void play(nanoseconds start) {
    message_start_ = start;
    is_playing_ = true;
    missing_ = load_.message_.size();
    ++load_.under_way_;
    restart_timeout();
    send(load_.message_);
    // The receive is pending already: it tells, too, when the server ends a connection that waits.
  }
  [[nodiscard]] bool is_playing() const { return is_playing_; }

 private:
  void opened() override {
    is_established_ = false;
    missing_ = context().settings.first_reply.value_or(first_bytes().size());
    if (missing_ == 0)
      established();
    else
      receive();
  }

  void established() {
    is_established_ = true;
    count_as_ready();
    stop_timeout();
    receive();
    load_.waiting_.push_back(this);
  }

  void received(ByteView bytes) override {
    if (bytes.size() > missing_) return fail(ErrorKind::failed);  // an answer to nothing
    missing_ -= bytes.size();
    if (missing_ > 0) return receive();
    if (!is_established_) return established();
    statistics().latency.record(as_count(clock_now() - message_start_));
    ++statistics().completed;
    finish_message();
    stop_timeout();
    receive();
    load_.waiting_.push_back(this);
  }

  void ended() override { fail(ErrorKind::ended_early); }

  void failed(ErrorKind kind) override {
    statistics().count_error(kind);
    if (!is_playing_) ++load_.started_;  // so that a server that takes no connection uses the count up, too
    std::erase(load_.waiting_, this);
  }

  void closed() override {
    finish_message();
    count_as_ready();
    load_.closed_.push_back(this);
  }

  void count_as_ready() {
    if (!is_counted_as_ready_) ++load_.ready_;
    is_counted_as_ready_ = true;
  }

  void finish_message() {
    if (is_playing_) --load_.under_way_;
    is_playing_ = false;
  }

  PingPongLoad& load_;
  nanoseconds message_start_{};
  std::uint64_t missing_ = 0;
  bool is_established_ = false;
  bool is_counted_as_ready_ = false;
  bool is_playing_ = false;
};

PingPongLoad::PingPongLoad(LoadContext& context)
    : context_(context),
      message_(context.settings.message_size, std::uint8_t{'x'}),
      count_(context.share_of(context.settings.count)) {
  const unsigned connections = context.share_of(context.settings.connections);
  for (unsigned i = 0; i < connections; ++i) clients_.push_back(std::make_unique<Player>(*this));
  for (const auto& client : clients_) closed_.push_back(client.get());
  waiting_.reserve(clients_.size());
}

PingPongLoad::~PingPongLoad() = default;

void PingPongLoad::prepare() {
  open_closed_ones();
}

void PingPongLoad::go(nanoseconds start) {
  is_running_ = true;
  const LoadSettings& settings = context_.settings;
  if (settings.is_open_loop()) {
    schedule_.emplace(settings.rate, settings.arrivals, context_.thread, settings.threads, settings.seed,
                      start);
    pacer_.emplace(*schedule_, context_.loop.backend());
  }
  start_what_is_due();
}

void PingPongLoad::after_turn() {
  open_closed_ones();
  start_what_is_due();
}

void PingPongLoad::open_closed_ones() {
  if (is_stopping_ || closed_.empty()) return;
  std::vector<Player*> closed;
  closed.swap(closed_);
  for (Player* client : closed) client->open(clock_now());
}

void PingPongLoad::start_what_is_due() {
  if (waiting_.empty() || !may_start()) return;
  const nanoseconds now = clock_now();
  while (!waiting_.empty() && may_start()) {
    nanoseconds start = now;
    if (schedule_) {
      start = schedule_->next();
      if (start > now) return;
      context_.statistics.start_delay.record(as_count(now - start));
      schedule_->advance();
    }
    Player* client = waiting_.back();
    waiting_.pop_back();
    ++started_;
    client->play(start);
  }
}

bool PingPongLoad::is_complete() const {
  return context_.settings.count != 0 && started_ >= count_ && under_way_ == 0;
}

void PingPongLoad::stop() {
  is_running_ = false;
  is_stopping_ = true;
  pacer_.reset();
  waiting_.clear();
  for (const auto& client : clients_) client->abandon();
}

bool PingPongLoad::is_quiet() const {
  return std::ranges::all_of(clients_, [](const auto& client) { return client->is_idle(); });
}

std::uint64_t PingPongLoad::overdue(nanoseconds now) const {
  if (!schedule_ || !may_start()) return 0;
  std::uint64_t count = 0;
  for (Schedule schedule = *schedule_; schedule.next() <= now; schedule.advance()) ++count;
  return count;
}

}  // namespace portshare
