#include "bench/reachability.h"

#include <utility>

#include "core/timer_wheel.h"
#include "platform/engine.h"
#include "platform/loop.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds attempt_interval{10};

class Attempt {
 public:
  Attempt(Loop& loop, const SocketAddress& address, milliseconds patience)
      : loop_(loop),
        address_(address),
        op_([](Op&, void* attempt) { static_cast<Attempt*>(attempt)->completed(); }, this),
        again_([](void* attempt) { static_cast<Attempt*>(attempt)->connect(); }, this),
        over_([](void* attempt) { static_cast<Attempt*>(attempt)->give_up(); }, this) {
    loop.arm(over_, patience);
    connect();
  }

  [[nodiscard]] bool has_connected() const { return has_connected_; }

 private:
  void connect() { loop_.connect(op_, address_); }
  void give_up() {
    is_over_ = true;
    loop_.cancel(again_);
    if (op_.is_idle())
      loop_.stop();
    else
      loop_.cancel(op_);
  }
  void completed() {
    if (op_.kind == Op::Kind::close) return loop_.stop();
    if (op_.succeeded()) {
      has_connected_ = true;
      loop_.cancel(over_);
      return loop_.close(op_, op_.socket, CloseMode::orderly);
    }
    if (is_over_) return loop_.stop();
    loop_.arm(again_, attempt_interval);
  }

  Loop& loop_;
  const SocketAddress& address_;
  Op op_;
  Timer again_;
  Timer over_;
  bool has_connected_ = false;
  bool is_over_ = false;
};

}  // namespace

bool wait_until_reachable(const SocketAddress& address, milliseconds patience) {
  auto backend = make_engine(Engine::epoll);
  if (!backend) return false;
  Loop loop(std::move(*backend));
  const Attempt attempt(loop, address, patience);
  loop.run();
  return attempt.has_connected();
}

}  // namespace portshare
