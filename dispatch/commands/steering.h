// Commands that change what a running program does.
#pragma once

#include <span>
#include <string>

namespace portshare {

int reload_command(std::span<const std::string> arguments);
int drain_command(std::span<const std::string> arguments);
int upgrade_command(std::span<const std::string> arguments);
int server_command(std::span<const std::string> arguments);
int log_level_command(std::span<const std::string> arguments);

}  // namespace portshare
