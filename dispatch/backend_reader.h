// Reads one [backend.NAME].
#pragma once

#include "dispatch/config.h"
#include "dispatch/setting_reader.h"

namespace portshare {

[[nodiscard]] BackendConfig read_backend(const NameIndex::Definition& definition,
                                         const SettingReader& settings);

}  // namespace portshare
