#include "core/source_table.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace portshare {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

IpAddress SourceTable::source_of(const IpAddress& address) {
  if (address.is_v4()) return address;
  auto network = address.bytes();
  std::fill(network.begin() + 8, network.end(), std::uint8_t{0});
  return IpAddress::v6(network);
}

nanoseconds SourceTable::interval() const {
  return nanoseconds(limits_.new_connections.period) / limits_.new_connections.count;
}

SourceTable::Admission SourceTable::admit(const IpAddress& address, microseconds now) {
  // Two for one, so that there is an end to what a crowd has left behind.
  for (int i = 0; i < 2 && oldest_idle_ && oldest_idle_->full_at <= now; ++i) forget_oldest();

  const auto [found, is_new] = sources_.try_emplace(source_of(address));
  Source& source = found->second;
  if (is_new) source.address = found->first;
  if (limits_.max_open != 0 && source.open >= limits_.max_open) return {Answer::too_many, nullptr};

  if (limits_.new_connections.count != 0) {
    const nanoseconds full_at = std::max<nanoseconds>(source.full_at, now) + interval();
    if (full_at - now > limits_.new_connections.period) return {Answer::too_fast, nullptr};
    source.full_at = full_at;
  }
  if (source.open++ == 0 && !is_new) unlink_idle(source);
  return {Answer::admitted, &source};
}

void SourceTable::leave(Source& source) {
  assert(source.open > 0);
  if (--source.open > 0) return;
  link_idle(source);
  if (limits_.new_connections.count == 0 || idle_count_ > max_idle_) forget_oldest();
}

void SourceTable::link_idle(Source& source) {
  source.older = newest_idle_;
  source.newer = nullptr;
  (newest_idle_ ? newest_idle_->newer : oldest_idle_) = &source;
  newest_idle_ = &source;
  ++idle_count_;
}

void SourceTable::unlink_idle(Source& source) {
  (source.older ? source.older->newer : oldest_idle_) = source.newer;
  (source.newer ? source.newer->older : newest_idle_) = source.older;
  source.older = source.newer = nullptr;
  --idle_count_;
}

void SourceTable::forget_oldest() {
  Source& oldest = *oldest_idle_;
  unlink_idle(oldest);
  const IpAddress address = oldest.address;
  sources_.erase(address);
}

}  // namespace portshare
