// An op for tests: remembers how often it called back and with what.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "platform/loop.h"

namespace portshare {

/// Bytes received are copied and their buffer given back, before `then` runs.
struct RecordedOp {
  explicit RecordedOp(Loop& loop_of_op, std::function<void()> then_do = nullptr)
      : loop(loop_of_op), then(std::move(then_do)) {}
  RecordedOp(const RecordedOp&) = delete;
  RecordedOp& operator=(const RecordedOp&) = delete;

  [[nodiscard]] bool called_back() const { return callbacks > 0; }

  Loop& loop;
  std::function<void()> then;
  std::size_t callbacks = 0;
  std::string received;  ///< by all receives of this op
  Op op{[](Op&, void* self) { static_cast<RecordedOp*>(self)->record(); }, this};

 private:
  void record() {
    ++callbacks;
    if (op.kind == Op::Kind::receive && op.succeeded()) {
      received += as_text(op.received());
      if (std::uint8_t* buffer = op.take_buffer()) loop.buffers().release(buffer);
    }
    if (then) then();
  }
};

}  // namespace portshare
