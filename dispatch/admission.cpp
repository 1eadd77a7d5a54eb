#include "dispatch/admission.h"

#include <cassert>

namespace portshare {

namespace {

/// Counts one more, unless there are `most` already.
bool increment_below(std::atomic<std::uint32_t>& count, std::uint32_t most) {
  std::uint32_t seen = count.load(std::memory_order_relaxed);
  do {
    if (seen >= most) return false;
  } while (!count.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed));
  return true;
}

}  // namespace

AdmissionPlace::~AdmissionPlace() {
  if (admission_) admission_->leave(source_, is_refused_);
}

ListenerAdmission::ListenerAdmission(const ListenerConfig& listener, const SipKey& key)
    : max_connections_(listener.max_connections == 0 ? UINT32_MAX : listener.max_connections),
      stripe_key_{~key[0], ~key[1]} {
  if (!listener.source_limits.any()) return;
  for (std::size_t i = 0; i < stripe_count; ++i) {
    stripes_.push_back(std::make_unique<Stripe>(listener.source_limits, key));
  }
}

ListenerAdmission::~ListenerAdmission() {
  assert(open_ == 0 && refused_ == 0);
}

std::expected<AdmissionPlace, Outcome> ListenerAdmission::admit(const std::optional<IpAddress>& source,
                                                                std::chrono::microseconds now) {
  if (!increment_below(open_, max_connections_)) return std::unexpected(Outcome::unavailable);
  AdmissionPlace place(*this, nullptr, false);
  if (!source || stripes_.empty()) return place;
  Stripe& stripe = stripe_of(*source);
  const std::lock_guard lock(stripe.mutex);
  place.source_ = stripe.table.admit(*source, now).source;
  if (!place.source_) return std::unexpected(Outcome::limited);
  return place;
}

std::optional<AdmissionPlace> ListenerAdmission::wait_for_refusal() {
  if (!increment_below(refused_, max_refused_waiting)) return std::nullopt;
  return AdmissionPlace(*this, nullptr, true);
}

void ListenerAdmission::leave(SourceTable::Source* source, bool is_refused) {
  (is_refused ? refused_ : open_).fetch_sub(1, std::memory_order_relaxed);
  if (!source) return;
  // The address does not change as long as the connection is counted, so it may be read without the lock.
  Stripe& stripe = stripe_of(source->address);
  const std::lock_guard lock(stripe.mutex);
  stripe.table.leave(*source);
}

ListenerAdmission::Stripe& ListenerAdmission::stripe_of(const IpAddress& source) {
  return *stripes_[siphash(stripe_key_, SourceTable::source_of(source).bytes()) % stripe_count];
}

Admission::Admission(const Config& config, const SipKey& key) {
  for (const ListenerConfig& listener : config.listeners) {
    listeners_.push_back(listener.has_limits() ? std::make_unique<ListenerAdmission>(listener, key)
                                               : nullptr);
  }
}

}  // namespace portshare
