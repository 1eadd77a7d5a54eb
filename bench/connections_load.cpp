#include "bench/connections_load.h"

namespace portshare {

class ConnectionsLoad::OneConnection final : public Client {
 public:
  explicit OneConnection(ConnectionsLoad& load) : Client(load.context_), load_(load) {}

 private:
  void opened() override {
    received_ = 0;
    receive();
  }
  void received(ByteView bytes) override {
    received_ += bytes.size();
    const ReplyEnd& until = context().settings.until;
    const bool has_reply = until.kind == ReplyEnd::Kind::first_byte ||
                           (until.kind == ReplyEnd::Kind::bytes && received_ >= until.bytes);
    if (has_reply)
      complete(context().settings.close_mode);
    else
      receive();
  }
  void ended() override {
    const ReplyEnd& until = context().settings.until;
    if (until.kind == ReplyEnd::Kind::end_of_stream && received_ >= until.bytes)
      complete(CloseMode::orderly);
    else
      fail(ErrorKind::ended_early);
  }
  void complete(CloseMode mode) {
    statistics().latency.record(as_count(clock_now() - start()));
    ++statistics().completed;
    close(mode);
  }
  void failed(ErrorKind kind) override { statistics().count_error(kind); }
  void closed() override { load_.idle_.push_back(this); }

  ConnectionsLoad& load_;
  std::uint64_t received_ = 0;
};

ConnectionsLoad::ConnectionsLoad(LoadContext& context) : context_(context), starts_(context) {
  const unsigned connections = context.share_of(context.settings.connections);
  for (unsigned i = 0; i < connections; ++i) clients_.push_back(std::make_unique<OneConnection>(*this));
  for (const auto& client : clients_) idle_.push_back(client.get());
}

ConnectionsLoad::~ConnectionsLoad() = default;

void ConnectionsLoad::go(nanoseconds start) {
  starts_.begin(start);
  start_what_is_due();
}

void ConnectionsLoad::after_turn() {
  // Clients that became idle start here and not in closed(), so that a server which refuses cannot keep the
  // loop within one callback.
  start_what_is_due();
}

void ConnectionsLoad::start_what_is_due() {
  if (idle_.empty()) return;
  const nanoseconds now = clock_now();
  while (!idle_.empty()) {
    const auto start = starts_.take(now);
    if (!start) return;
    OneConnection* client = idle_.back();
    idle_.pop_back();
    client->open(*start);
  }
}

bool ConnectionsLoad::is_complete() const {
  return starts_.are_all_taken() && is_quiet();
}

void ConnectionsLoad::stop() {
  starts_.end();
  for (const auto& client : clients_) client->abandon();
}

}  // namespace portshare
