#include "core/timer_wheel.h"

#include <bit>
#include <cassert>

// The time is a number of eleven digits of six bits. A timer lies on the level of the highest digit in which
// its deadline differs from the time at hand, in the slot of its deadline's digit. So all timers of a level
// come before all of the next level, and the slots of a level before the digit of the time at hand are empty:
// nothing ever wraps around. When the time reaches the start of a slot, the slot's timers move to lower
// levels, or fire.
//
// Where a timer lies follows from its deadline and the time at hand alone. Timers of one deadline therefore
// always share a list, and as lists are appended to and moved in order, they fire in the order in which they
// were armed.

namespace portshare {

Timer::~Timer() {
  assert(!is_armed());
}

TimerWheel::TimerWheel(std::uint64_t now_ms) : now_ms_(now_ms) {
  for (Link& head : lists_) head.previous = head.next = &head;
}

TimerWheel::~TimerWheel() {
  assert(armed_count_ == 0 && !advancing_);
}

std::size_t TimerWheel::list_for(std::uint64_t deadline_ms) const {
  if (deadline_ms <= now_ms_) return due_list;
  const auto highest_bit = static_cast<std::size_t>(63 - std::countl_zero(deadline_ms ^ now_ms_));
  const std::size_t level = highest_bit / slot_bits;
  return level * slot_count + (deadline_ms >> level * slot_bits) % slot_count;
}

void TimerWheel::append(Timer& timer, std::size_t list) {
  Link& head = lists_[list];
  timer.next = &head;
  timer.previous = head.previous;
  head.previous->next = &timer;
  head.previous = &timer;
  if (list < due_list) occupied_[list / slot_count] |= std::uint64_t{1} << list % slot_count;
}

void TimerWheel::unlink(Timer& timer) {
  Link* const next = timer.next;
  next->previous = timer.previous;
  timer.previous->next = next;
  if (next == timer.previous) {
    // Only the head is left of the list, and its place tells which list it is.
    const auto list = static_cast<std::size_t>(next - lists_.data());
    if (list < due_list) occupied_[list / slot_count] &= ~(std::uint64_t{1} << list % slot_count);
  }
  timer.next = timer.previous = nullptr;
}

void TimerWheel::arm(Timer& timer, std::uint64_t deadline_ms) {
  cancel(timer);
  timer.deadline_ms_ = deadline_ms;
  append(timer, list_for(deadline_ms));
  ++armed_count_;
}

void TimerWheel::cancel(Timer& timer) {
  if (!timer.is_armed()) return;
  unlink(timer);
  --armed_count_;
}

std::optional<TimerWheel::Slot> TimerWheel::first_slot() const {
  for (std::size_t level = 0; level < level_count; ++level) {
    if (occupied_[level] == 0) continue;
    const auto index = static_cast<std::size_t>(std::countr_zero(occupied_[level]));
    const std::size_t shift = level * slot_bits;
    // The digits above the level are those of the time at hand; the top level has none above it.
    const std::uint64_t above =
        level + 1 == level_count ? 0 : now_ms_ >> (shift + slot_bits) << (shift + slot_bits);
    return Slot{level, index, above | std::uint64_t{index} << shift};
  }
  return std::nullopt;
}

std::optional<std::uint64_t> TimerWheel::next_deadline() const {
  if (lists_[due_list].next != &lists_[due_list]) return now_ms_;
  const auto slot = first_slot();
  return slot ? std::optional(slot->start_ms) : std::nullopt;
}

void TimerWheel::move_to_firing(std::size_t list) {
  Link& head = lists_[list];
  while (head.next != &head) {
    Timer& timer = static_cast<Timer&>(*head.next);
    unlink(timer);
    append(timer, firing_list);
  }
}

void TimerWheel::fire() {
  Link& head = lists_[firing_list];
  while (head.next != &head) {
    Timer& timer = static_cast<Timer&>(*head.next);
    cancel(timer);
    timer.callback_(timer.context_);  // may destroy the timer
  }
}

void TimerWheel::advance(std::uint64_t now_ms) {
  assert(!advancing_ && now_ms >= now_ms_);
  advancing_ = true;
  move_to_firing(due_list);
  fire();
  for (auto slot = first_slot(); slot && slot->start_ms <= now_ms; slot = first_slot()) {
    now_ms_ = slot->start_ms;
    Link& head = lists_[slot->level * slot_count + slot->index];
    while (head.next != &head) {
      Timer& timer = static_cast<Timer&>(*head.next);
      unlink(timer);
      append(timer, timer.deadline_ms_ == now_ms_ ? firing_list : list_for(timer.deadline_ms_));
    }
    fire();
  }
  now_ms_ = now_ms;
  advancing_ = false;
}

}  // namespace portshare
