// Connections that stay, and say nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/client.h"
#include "bench/load.h"

namespace portshare {

/// Opens LoadSettings::connections connections, some at a time, and holds them. None is opened again: those
/// that fail are errors, those that end later count as dropped.
class IdleLoad final : public Load {
 public:
  /// `context` is borrowed.
  explicit IdleLoad(LoadContext& context);
  ~IdleLoad() override;

  void prepare() override { open_more(); }
  [[nodiscard]] bool is_ready() const override { return next_ == clients_.size() && opening_ == 0; }
  void go(nanoseconds /*start*/) override {}
  void after_turn() override { open_more(); }
  /// What it measures is how the connections came about.
  void end_warm_up() override {}
  [[nodiscard]] bool is_complete() const override { return false; }
  void stop() override;
  [[nodiscard]] bool is_quiet() const override;

 private:
  class Sleeper;

  void open_more();

  LoadContext& context_;
  std::vector<std::unique_ptr<Sleeper>> clients_;
  std::size_t next_ = 0;  // to be opened
  std::size_t opening_ = 0;
  std::size_t opening_limit_;
  bool stopping_ = false;
};

}  // namespace portshare
