#include "bench/idle_load.h"

#include <algorithm>

namespace portshare {

class IdleLoad::Sleeper final : public Client {
 public:
  explicit Sleeper(IdleLoad& load) : Client(load.context_), load_(load) {}

 private:
  void opened() override {
    missing_ = context().settings.first_reply.value_or(0);
    if (missing_ == 0) established();
    receive();
  }
  void established() {
    statistics().latency.record(as_count(clock_now() - start()));
    ++statistics().completed;
    is_established_ = true;
    --load_.opening_;
    stop_timeout();
  }
  void received(ByteView bytes) override {
    missing_ -= std::min<std::uint64_t>(missing_, bytes.size());
    if (!is_established_ && missing_ == 0) established();
    receive();
  }
  void ended() override { fail(ErrorKind::ended_early); }
  void failed(ErrorKind kind) override {
    if (is_established_) {
      ++statistics().dropped;
    } else {
      statistics().count_error(kind);
      --load_.opening_;
    }
  }
  void closed() override {}

  IdleLoad& load_;
  std::uint64_t missing_ = 0;
  bool is_established_ = false;
};

IdleLoad::IdleLoad(LoadContext& context)
    : context_(context), opening_limit_(std::max(context.share_of(context.settings.opening), 1U)) {
  const unsigned connections = context.share_of(context.settings.connections);
  for (unsigned i = 0; i < connections; ++i) clients_.push_back(std::make_unique<Sleeper>(*this));
}

IdleLoad::~IdleLoad() = default;

void IdleLoad::open_more() {
  while (!stopping_ && next_ < clients_.size() && opening_ < opening_limit_) {
    ++opening_;
    clients_[next_++]->open(clock_now());
  }
}

void IdleLoad::stop() {
  stopping_ = true;
  for (const auto& client : clients_) client->abandon();
}

bool IdleLoad::is_quiet() const {
  return std::ranges::all_of(clients_, [](const auto& client) { return client->is_idle(); });
}

}  // namespace portshare
