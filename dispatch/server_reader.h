// Reads the tables that exist once: [server] and [share].
#pragma once

#include "dispatch/config.h"
#include "dispatch/setting_reader.h"

namespace portshare {

void read_server(const toml::table& table, const SettingReader& settings, ServerConfig& server);

/// Checks the table; the feature is not built yet, so there is nothing to fill.
void check_share(const toml::table& table, const SettingReader& settings);

}  // namespace portshare
