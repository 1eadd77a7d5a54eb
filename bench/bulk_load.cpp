#include "bench/bulk_load.h"

#include <algorithm>

namespace portshare {

namespace {

constexpr std::size_t block_size = std::size_t{256} * 1024;

}  // namespace

class BulkLoad::Transfer final : public Client {
 public:
  explicit Transfer(BulkLoad& load) : Client(load.context_), load_(load) {}

  /// Where that is wanted, and not before all begin.
  void upload() {
    if (is_open_ && load_.is_running_ && context().settings.directions.upload) send(load_.block_);
  }

 private:
  void opened() override {
    count_as_opened();
    stop_timeout();
    received_ = 0;
    // Also when nothing is downloaded: a server that ends the connection or answers is to be noticed.
    receive();
    is_open_ = true;
    upload();
  }
  void received(ByteView bytes) override {
    received_ += bytes.size();
    receive();
  }
  void sent() override { send(load_.block_); }
  void ended() override {
    if (received_ == 0 || context().settings.directions.upload) return fail(ErrorKind::ended_early);
    ++statistics().completed;
    close(CloseMode::orderly);
  }
  void failed(ErrorKind kind) override {
    is_open_ = false;
    statistics().count_error(kind);
  }
  void closed() override {
    is_open_ = false;
    count_as_opened();
    load_.closed_.push_back(this);
  }
  void count_as_opened() {
    if (!was_opened_) ++load_.opened_once_;
    was_opened_ = true;
  }

  BulkLoad& load_;
  std::uint64_t received_ = 0;
  bool is_open_ = false;
  bool was_opened_ = false;  // or failed before
};

BulkLoad::BulkLoad(LoadContext& context) : context_(context) {
  if (context.settings.directions.upload) block_.resize(block_size, std::uint8_t{'x'});
  const unsigned connections = context.share_of(context.settings.connections);
  for (unsigned i = 0; i < connections; ++i) clients_.push_back(std::make_unique<Transfer>(*this));
  for (const auto& client : clients_) closed_.push_back(client.get());
}

BulkLoad::~BulkLoad() = default;

void BulkLoad::go(nanoseconds /*start*/) {
  context_.statistics.clear();  // of a download that has begun
  is_running_ = true;
  for (const auto& client : clients_) client->upload();
}

void BulkLoad::open_closed_ones() {
  if (is_stopping_ || closed_.empty()) return;
  std::vector<Transfer*> closed;
  closed.swap(closed_);
  for (Transfer* client : closed) client->open(clock_now());
}

bool BulkLoad::is_complete() const {
  const LoadSettings& settings = context_.settings;
  if (settings.count == 0) return false;
  const std::uint64_t wanted = context_.share_of(settings.count);
  const Statistics& statistics = context_.statistics;
  return (!settings.directions.download || statistics.bytes_received >= wanted) &&
         (!settings.directions.upload || statistics.bytes_sent >= wanted);
}

void BulkLoad::stop() {
  is_running_ = false;
  is_stopping_ = true;
  for (const auto& client : clients_) client->abandon();
}

bool BulkLoad::is_quiet() const {
  return std::ranges::all_of(clients_, [](const auto& client) { return client->is_idle(); });
}

}  // namespace portshare
