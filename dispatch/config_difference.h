// What a reload changes, in words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dispatch/config.h"

namespace portshare {

/// A number for each rule, sorted, that depends on what it says and not on where it stands. Enough to count
/// what comes and goes, and a fraction of the memory of the rules themselves.
[[nodiscard]] std::vector<std::uint64_t> digests_of_rules(const Config& config);

/// What is different, a line each: "listener 'web': idle_timeout: 10m -> 5m", "backend 'old' is gone",
/// "routes: 2 new, 1 gone". Of the rules only `rule_digests` is looked at.
[[nodiscard]] std::vector<std::string> differences(const Config& before, const Config& after);

}  // namespace portshare
