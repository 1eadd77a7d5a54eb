#include "dispatch/admission.h"

#include <algorithm>
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

/// Without a limit of their own, too, connections count: a reload may set one.
std::uint32_t most_connections(const ListenerConfig& listener) {
  return listener.max_connections == 0 ? UINT32_MAX : listener.max_connections;
}

}  // namespace

AdmissionPlace::~AdmissionPlace() {
  if (admission_) admission_->leave(source_, is_refused_);
}

ListenerAdmission::ListenerAdmission(const ListenerConfig& listener, const SipKey& key)
    : max_connections_(most_connections(listener)),
      counts_sources_(listener.source_limits.any()),
      stripe_key_{~key[0], ~key[1]} {
  for (std::size_t i = 0; i < stripe_count; ++i) {
    stripes_.push_back(std::make_unique<Stripe>(listener.source_limits, key));
  }
}

ListenerAdmission::~ListenerAdmission() {
  assert(open_ == 0 && refused_ == 0);
}

std::expected<AdmissionPlace, Outcome> ListenerAdmission::admit(const std::optional<IpAddress>& source,
                                                                std::chrono::microseconds now) {
  const std::uint32_t most = max_connections_.load(std::memory_order_relaxed);
  if (!increment_below(open_, most)) return std::unexpected(Outcome::unavailable);
  AdmissionPlace place(shared_from_this(), nullptr, false);
  if (!source || !counts_sources_.load(std::memory_order_relaxed)) return place;
  Stripe& stripe = stripe_of(*source);
  const std::lock_guard lock(stripe.mutex);
  place.source_ = stripe.table.admit(*source, now).source;
  if (!place.source_) return std::unexpected(Outcome::limited);
  return place;
}

std::optional<AdmissionPlace> ListenerAdmission::wait_for_refusal() {
  if (!increment_below(refused_, max_refused_waiting)) return std::nullopt;
  return AdmissionPlace(shared_from_this(), nullptr, true);
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

void ListenerAdmission::change_limits(const ListenerConfig& listener) {
  max_connections_.store(most_connections(listener), std::memory_order_relaxed);
  for (const auto& stripe : stripes_) {
    const std::lock_guard lock(stripe->mutex);
    stripe->table.change_limits(listener.source_limits);
  }
  counts_sources_.store(listener.source_limits.any(), std::memory_order_relaxed);
}

Admission::Admission(const Config& config, const SipKey& key) {
  for (const ListenerConfig& listener : config.listeners) {
    listeners_.push_back(listener.has_limits() ? std::make_shared<ListenerAdmission>(listener, key)
                                               : nullptr);
  }
}

Admission::Admission(const Config& config, const SipKey& key, const Config& before,
                     const Admission& admission_before)
    : Admission(config, key) {
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const auto same = std::ranges::find(before.listeners, config.listeners[i].name, &ListenerConfig::name);
    if (!listeners_[i] || same == before.listeners.end()) continue;
    const auto& kept = admission_before.listeners_[static_cast<std::size_t>(same - before.listeners.begin())];
    if (kept) listeners_[i] = kept;
  }
}

void Admission::change_limits(const Config& config) const {
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    if (listeners_[i]) listeners_[i]->change_limits(config.listeners[i]);
  }
}

}  // namespace portshare
