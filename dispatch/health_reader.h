// Reads the `health` of a backend.
#pragma once

#include <optional>

#include "dispatch/config.h"
#include "dispatch/setting_reader.h"

namespace portshare {

/// None: the setting has faults, which have been reported.
[[nodiscard]] std::optional<HealthConfig> read_health(const Setting& setting, const SettingReader& settings);

}  // namespace portshare
