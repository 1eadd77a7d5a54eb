// Clients that send their first bytes one at a time, and others which want to be served meanwhile.
#pragma once

#include <memory>
#include <vector>

#include "bench/client.h"
#include "bench/connections_load.h"
#include "bench/load.h"

namespace portshare {

/// What it measures is the connections of the good clients; of the slow ones it counts what became of them. A
/// slow client that is cut off or served begins again.
class SlowLoad final : public Load {
 public:
  /// `context` is borrowed.
  explicit SlowLoad(LoadContext& context);
  ~SlowLoad() override;

  void prepare() override { open_closed_ones(); }
  [[nodiscard]] bool is_ready() const override { return opened_once_ >= clients_.size(); }
  void go(nanoseconds start) override { good_.go(start); }
  void after_turn() override;
  void end_warm_up() override;
  [[nodiscard]] bool is_complete() const override { return good_.is_complete(); }
  void stop() override;
  [[nodiscard]] bool is_quiet() const override;
  [[nodiscard]] std::uint64_t overdue(nanoseconds now) const override { return good_.overdue(now); }

 private:
  class Dripper;

  void open_closed_ones();

  LoadContext& context_;
  ConnectionsLoad good_;
  std::vector<std::unique_ptr<Dripper>> clients_;
  std::vector<Dripper*> closed_;
  std::size_t opened_once_ = 0;
  bool stopping_ = false;
};

}  // namespace portshare
