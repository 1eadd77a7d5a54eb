// What `portshare probe` has found out.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "platform/bind_trial.h"

namespace portshare {

struct ProbeResult {
  BindTrial trial;
  std::expected<BindOutcome, std::string> outcome;  ///< the error is why it could not be tried
};

/// What came of a trial, in one word.
enum class ProbeVerdict : std::uint8_t {
  not_tried,
  bind_fails,    ///< of the second socket
  listen_fails,  ///< its bind succeeds
  first,         ///< both listen, and the first gets all connections
  second,        ///< the second gets all
  both,          ///< each gets some
  refused,       ///< the second listens, and nobody gets any
};

[[nodiscard]] ProbeVerdict verdict_of(const ProbeResult& result);
/// For scripts: "bind fails".
[[nodiscard]] std::string_view to_string(ProbeVerdict verdict);

/// All trials of this system, in the order in which they are told.
[[nodiscard]] std::vector<BindTrial> all_trials();

/// Results of all trials, in any order.
class ProbeResults {
 public:
  explicit ProbeResults(std::vector<ProbeResult> results) : results_(std::move(results)) {}

  [[nodiscard]] const std::vector<ProbeResult>& all() const { return results_; }
  /// One that is not there was not tried.
  [[nodiscard]] ProbeVerdict verdict(const BindTrial& trial) const;
  /// Why a trial was not made; empty if it was.
  [[nodiscard]] std::string reason(const BindTrial& trial) const;

 private:
  [[nodiscard]] const ProbeResult* find(const BindTrial& trial) const;

  std::vector<ProbeResult> results_;
};

}  // namespace portshare
