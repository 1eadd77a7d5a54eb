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
  const ListenerConfig& config = listener();
  if (source_ && !config.admits(source_->address)) {
    terminate(Outcome::denied, CloseMode::reset);
    return false;
  }
  ListenerAdmission* admission = worker_.admission(listener_);
  if (!admission) return true;
  auto place = admission->admit(source_ ? std::optional(source_->address) : std::nullopt, loop().now());
  if (place) {
    place_ = std::move(*place);
    return true;
  }
  auto waiting = can_be_told(config.protocols, place.error()) ? admission->wait_for_refusal() : std::nullopt;
  if (!waiting) {
    terminate(place.error(), CloseMode::reset);
    return false;
  }
  refused_as_ = place.error();
  place_ = std::move(*waiting);
  if (config.first_flight_timeout.count() == 0) loop().arm(timer_, patience_with_the_refused);
  return true;
}

}  // namespace portshare
