// From the text of a configuration file to a Config, or to all that is wrong with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dispatch/config.h"
#include "dispatch/diagnostics.h"

namespace portshare {

struct ConfigResult {
  std::optional<Config> config;         ///< empty if and only if there is an error among the diagnostics
  std::vector<Diagnostic> diagnostics;  ///< errors and warnings in the order of the file
};

/// `file` is the name by which diagnostics, access log and metrics call the text. A syntax error ends the
/// reading; all other faults are found in one go.
[[nodiscard]] ConfigResult read_config(std::string_view text, const std::string& file);

/// The same for a file of the system; one that cannot be read is a diagnostic too.
[[nodiscard]] ConfigResult read_config_file(const std::string& path);

}  // namespace portshare
