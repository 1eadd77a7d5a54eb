#include "dispatch/acceptor.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "dispatch/worker.h"

namespace portshare {

Acceptor::Acceptor(Worker& worker, WorkerSnapshot& snapshot, std::uint32_t listener, Socket socket,
                   std::size_t accepts)
    : worker_(worker), snapshot_(&snapshot), listener_(listener), socket_(socket), accepts_(accepts) {
  assert(accepts >= 1 && accepts <= most_accepts);
  snapshot_->pin();
  for (Op& op : ops_) {
    op.set_callback([](Op& done, void* acceptor) { static_cast<Acceptor*>(acceptor)->completed(done); },
                    this);
  }
}

Acceptor::~Acceptor() {
  assert(is_quiet());
  worker_.unpin(*snapshot_);
}

void Acceptor::move_to(WorkerSnapshot& snapshot, std::uint32_t listener) {
  snapshot.pin();
  worker_.unpin(*std::exchange(snapshot_, &snapshot));
  listener_ = listener;
}

void Acceptor::start() {
  accepting_ = true;
  for (std::size_t i = 0; i < accepts_; ++i) {
    if (ops_[i].is_idle()) worker_.loop().accept(ops_[i], socket_);
  }
}

void Acceptor::stop() {
  accepting_ = false;
  for (Op& op : ops_) worker_.loop().cancel(op);
}

void Acceptor::renew() {
  for (Op& op : ops_) worker_.loop().cancel(op);
}

bool Acceptor::is_quiet() const {
  return std::all_of(ops_.begin(), ops_.end(), [](const Op& op) { return op.is_idle(); });
}

void Acceptor::completed(Op& op) {
  if (op.succeeded()) {
    worker_.accepted(*snapshot_, listener_, op.socket);
  } else if (op.status != Status::cancelled) {
    worker_.accept_failed(snapshot_->config().listeners[listener_], op.status, op.system_error);
  }
  if (accepting_ && op.is_idle() && worker_.may_accept()) worker_.loop().accept(op, socket_);
  if (!accepting_) worker_.acceptor_quiet();
}

}  // namespace portshare
