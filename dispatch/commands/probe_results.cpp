#include "dispatch/commands/probe_results.h"

#include <algorithm>
#include <utility>

namespace portshare {

ProbeVerdict verdict_of(const ProbeResult& result) {
  if (!result.outcome) return ProbeVerdict::not_tried;
  const BindOutcome& outcome = *result.outcome;
  if (outcome.second.bind_error != 0) return ProbeVerdict::bind_fails;
  if (outcome.second.listen_error != 0) return ProbeVerdict::listen_fails;
  if (outcome.first_got > 0) return outcome.second_got > 0 ? ProbeVerdict::both : ProbeVerdict::first;
  return outcome.second_got > 0 ? ProbeVerdict::second : ProbeVerdict::refused;
}

std::string_view to_string(ProbeVerdict verdict) {
  switch (verdict) {
    case ProbeVerdict::not_tried:
      return "not tried";
    case ProbeVerdict::bind_fails:
      return "bind fails";
    case ProbeVerdict::listen_fails:
      return "listen fails";
    case ProbeVerdict::first:
      return "first";
    case ProbeVerdict::second:
      return "second";
    case ProbeVerdict::both:
      return "both at random";
    case ProbeVerdict::refused:
      return "refused";
  }
  std::unreachable();
}

std::vector<BindTrial> all_trials() {
  std::vector<BindTrial> trials;
  for (const PortUse use : all_port_uses)
    for (const AddressPair& addresses : all_address_pairs)
      for (const SecondOwner owner : all_second_owners)
        for (const ShareOption first : share_options())
          for (const ShareOption second : share_options())
            trials.push_back(
                {.use = use, .addresses = addresses, .owner = owner, .first = first, .second = second});
  return trials;
}

const ProbeResult* ProbeResults::find(const BindTrial& trial) const {
  const auto found = std::ranges::find(results_, trial, &ProbeResult::trial);
  return found == results_.end() ? nullptr : &*found;
}

ProbeVerdict ProbeResults::verdict(const BindTrial& trial) const {
  const ProbeResult* const result = find(trial);
  return result == nullptr ? ProbeVerdict::not_tried : verdict_of(*result);
}

std::string ProbeResults::reason(const BindTrial& trial) const {
  const ProbeResult* const result = find(trial);
  if (result == nullptr) return "left out";
  return result->outcome ? std::string{} : result->outcome.error();
}

}  // namespace portshare
