// Whether a client may come in at all.
#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "dispatch/refusal.h"
#include "dispatch/session.h"
#include "dispatch/worker.h"

namespace portshare {

namespace {

// Where the first flight may take for ever, one that is read only to be refused may not.
constexpr std::chrono::milliseconds patience_with_the_refused{5'000};

/// Whether a client of one of these protocols gets to see more of this outcome than a reset.
bool can_be_told(const ProtocolSet& protocols, Outcome outcome) {
  return std::ranges::any_of(all_protocols, [&](Protocol protocol) {
    return protocols.contains(protocol) && !refusal_for(protocol, outcome).answer.empty();
  });
}

}  // namespace

bool Session::admit() {
  if (source_ && !listener().admits(source_->address)) {
    terminate(Outcome::denied, CloseMode::reset);
    return false;
  }
  if (refused_as_) return true;  // while the PROXY header was awaited
  place_ = {};
  return take_place(source_ ? std::optional(source_->address) : std::nullopt);
}

bool Session::take_place(const std::optional<IpAddress>& source) {
  ListenerAdmission* admission = snapshot_->admission(listener_);
  if (!admission) return true;
  auto place = admission->admit(source, loop().now());
  if (place) {
    place_ = std::move(*place);
    return true;
  }
  const Outcome outcome = place.error();
  auto waiting = can_be_told(listener().protocols, outcome) ? admission->wait_for_refusal() : std::nullopt;
  if (!waiting) {
    terminate(outcome, CloseMode::reset);
    return false;
  }
  refused_as_ = outcome;
  place_ = std::move(*waiting);
  if (listener().first_flight_timeout.count() == 0) loop().arm(timer_, patience_with_the_refused);
  return true;
}

}  // namespace portshare
