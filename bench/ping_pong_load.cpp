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
    if (!is_playing_)
      load_.starts_.forfeit();  // so that a server that takes no connection uses the count up, too
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
    : context_(context), message_(context.settings.message_size, std::uint8_t{'x'}), starts_(context) {
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
  starts_.begin(start);
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
  if (waiting_.empty()) return;
  const nanoseconds now = clock_now();
  while (!waiting_.empty()) {
    const auto start = starts_.take(now);
    if (!start) return;
    Player* client = waiting_.back();
    waiting_.pop_back();
    client->play(*start);
  }
}

bool PingPongLoad::is_complete() const {
  return starts_.are_all_taken() && under_way_ == 0;
}

void PingPongLoad::stop() {
  is_stopping_ = true;
  starts_.end();
  waiting_.clear();
  for (const auto& client : clients_) client->abandon();
}

bool PingPongLoad::is_quiet() const {
  return std::ranges::all_of(clients_, [](const auto& client) { return client->is_idle(); });
}

}  // namespace portshare
