// `portshare-bench connections`, ping-pong, bulk, idle and slow.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load_settings.h"

namespace portshare {

constexpr std::string_view bench_program = "portshare-bench";

/// What a mode is for, in a line, and what it asks of the server, in sentences: for the help.
struct ModeText {
  std::string_view summary;
  std::string_view details;
};
[[nodiscard]] ModeText text_of(LoadKind kind);

/// Each takes what stands behind the command's name, and returns an exit code.
int connections_command(std::span<const std::string> arguments);
int ping_pong_command(std::span<const std::string> arguments);
int bulk_command(std::span<const std::string> arguments);
int idle_command(std::span<const std::string> arguments);
int slow_command(std::span<const std::string> arguments);

}  // namespace portshare
