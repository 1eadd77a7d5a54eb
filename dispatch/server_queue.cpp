#include "dispatch/server_queue.h"

#include <cassert>

namespace portshare {

ServerQueue::~ServerQueue() {
  assert(first_ == nullptr);
}

void ServerQueue::push(Waiter& waiter, Place place) {
  const std::lock_guard lock(mutex_);
  assert(!waiter.is_queued);
  waiter.is_queued = true;
  if (place == Place::first) {
    waiter.previous = nullptr;
    waiter.next = first_;
    (first_ ? first_->previous : last_) = &waiter;
    first_ = &waiter;
  } else {
    waiter.next = nullptr;
    waiter.previous = last_;
    (last_ ? last_->next : first_) = &waiter;
    last_ = &waiter;
  }
  ++size_;
}

void ServerQueue::unlink(Waiter& waiter) {
  (waiter.next ? waiter.next->previous : last_) = waiter.previous;
  (waiter.previous ? waiter.previous->next : first_) = waiter.next;
  waiter.is_queued = false;
  --size_;
}

bool ServerQueue::remove(Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  if (!waiter.is_queued) return false;
  unlink(waiter);
  return true;
}

void ServerQueue::call_next() {
  if (size() == 0) return;
  const std::lock_guard lock(mutex_);
  if (!first_) return;
  Waiter& waiter = *first_;
  unlink(waiter);
  // Under the lock: once it is called, its loop may do away with it, and itself.
  waiter.loop->post([called = waiter.called, context = waiter.context] { called(context); });
}

}  // namespace portshare
