// Messages there and back on established connections.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/client.h"
#include "bench/load.h"
#include "bench/starts.h"

namespace portshare {

/// One message at a time per connection; the server answers each with as many bytes. A connection that fails
/// is counted and opened again.
class PingPongLoad final : public Load {
 public:
  /// `context` is borrowed.
  explicit PingPongLoad(LoadContext& context);
  ~PingPongLoad() override;

  void prepare() override;
  [[nodiscard]] bool is_ready() const override { return ready_ >= clients_.size(); }
  void go(nanoseconds start) override;
  void after_turn() override;
  void end_warm_up() override { context_.statistics.clear(); }
  [[nodiscard]] bool is_complete() const override;
  void stop() override;
  [[nodiscard]] bool is_quiet() const override;
  [[nodiscard]] std::uint64_t overdue(nanoseconds now) const override { return starts_.overdue(now); }

 private:
  class Player;

  void open_closed_ones();
  void start_what_is_due();

  LoadContext& context_;
  std::vector<std::uint8_t> message_;
  std::vector<std::unique_ptr<Player>> clients_;
  std::vector<Player*> closed_;
  std::vector<Player*> waiting_;  // established, without a message
  Starts starts_;
  std::uint64_t under_way_ = 0;
  std::size_t ready_ = 0;  // established once, or failed
  bool is_stopping_ = false;
};

}  // namespace portshare
