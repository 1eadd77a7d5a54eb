// What the admin socket and the monitor say, in JSON. The documents are described in docs/admin.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dispatch/control/connection_list.h"
#include "dispatch/control/controlled_program.h"
#include "dispatch/control/metric_ids.h"
#include "dispatch/control/program_report.h"
#include "dispatch/control/rates.h"

namespace portshare {

/// Each ends with a newline.
[[nodiscard]] std::string status_document(const ProgramReport& report, const MetricRegistry& names,
                                          std::string_view version);
[[nodiscard]] std::string routes_document(const ProgramReport& report);
[[nodiscard]] std::string backends_document(const ProgramReport& report, const MetricRegistry& names);
[[nodiscard]] std::string connections_document(const ConnectionList& list);
[[nodiscard]] std::string reload_document(const ReloadReport& result);

/// For the dashboard and `top`, without newlines: everything that changes from second to second.
[[nodiscard]] std::string sample_document(const SampleDetails& details, const ProgramReport& report,
                                          const MetricRegistry& names, std::string_view version);
/// The points of the plots so far, the oldest first.
[[nodiscard]] std::string history_document(const std::vector<Sample>& samples);

}  // namespace portshare
