// Connections one after the other: connect, first bytes, reply, close.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "bench/client.h"
#include "bench/load.h"
#include "bench/pacer.h"
#include "bench/schedule.h"

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
  [[nodiscard]] std::uint64_t overdue(nanoseconds now) const override;

 private:
  class OneConnection;

  void start_what_is_due();
  [[nodiscard]] bool may_start() const {
    return is_running_ && (context_.settings.count == 0 || started_ < count_);
  }

  LoadContext& context_;
  std::vector<std::unique_ptr<OneConnection>> clients_;
  std::vector<OneConnection*> idle_;
  std::optional<Schedule> schedule_;  // of an open loop
  std::optional<Pacer> pacer_;
  std::uint64_t count_;  // our share of LoadSettings::count
  std::uint64_t started_ = 0;
  bool is_running_ = false;
};

}  // namespace portshare
