// What a reload changes, in words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dispatch/config.h"

namespace portshare {

/// Notes a number for each rule, in `rule_digests`, sorted, and with the summaries, that depends on what it
/// says and not on where it stands. Enough to find what comes and goes, and a fraction of the memory of the
/// rules themselves.
void digest_rules(Config& config);

/// What is different, a line each: "listener 'web': idle_timeout: 10m -> 5m", "backend 'old' is gone",
/// "routes: 2 new, 1 gone", and the first of those by their lines, matchers and backends where there are at
/// most RouteSummary::most_listed routes. Of the rules only `rule_digests` and `route_summaries` are looked
/// at.
[[nodiscard]] std::vector<std::string> differences(const Config& before, const Config& after);

}  // namespace portshare
