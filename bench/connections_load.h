// Connections one after the other: connect, first bytes, reply, close.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/client.h"
#include "bench/load.h"
#include "bench/starts.h"

namespace portshare {

class ConnectionsLoad final : public Load {
 public:
  /// `context` is borrowed.
  explicit ConnectionsLoad(LoadContext& context);
  ~ConnectionsLoad() override;

  void go(nanoseconds start) override;
  void after_turn() override;
  void end_warm_up() override { context_.statistics.clear(); }
  [[nodiscard]] bool is_complete() const override;
  void stop() override;
  [[nodiscard]] bool is_quiet() const override { return idle_.size() == clients_.size(); }
  [[nodiscard]] std::uint64_t overdue(nanoseconds now) const override { return starts_.overdue(now); }

 private:
  class OneConnection;

  void start_what_is_due();

  LoadContext& context_;
  std::vector<std::unique_ptr<OneConnection>> clients_;
  std::vector<OneConnection*> idle_;
  Starts starts_;
};

}  // namespace portshare
