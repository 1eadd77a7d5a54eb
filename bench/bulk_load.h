// As many bytes as go through: downloads, uploads, or both at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/client.h"
#include "bench/load.h"

namespace portshare {

/// A connection that the server ends is opened again.
class BulkLoad final : public Load {
 public:
  /// `context` is borrowed.
  explicit BulkLoad(LoadContext& context);
  ~BulkLoad() override;

  void prepare() override { open_closed_ones(); }
  [[nodiscard]] bool is_ready() const override { return opened_once_ >= clients_.size(); }
  void go(nanoseconds start) override;
  void after_turn() override { open_closed_ones(); }
  void end_warm_up() override { context_.statistics.clear(); }
  [[nodiscard]] bool is_complete() const override;
  void stop() override;
  [[nodiscard]] bool is_quiet() const override;

 private:
  class Transfer;

  void open_closed_ones();

  LoadContext& context_;
  std::vector<std::uint8_t> block_;  // sent again and again
  std::vector<std::unique_ptr<Transfer>> clients_;
  std::vector<Transfer*> closed_;
  std::size_t opened_once_ = 0;
  bool is_running_ = false;
  bool is_stopping_ = false;
};

}  // namespace portshare
