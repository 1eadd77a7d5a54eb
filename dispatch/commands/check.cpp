#include "dispatch/commands/check.h"

#include <fmt/format.h>

#include "command_line/command_line.h"
#include "dispatch/commands/config_option.h"

namespace portshare {
namespace {

std::string count(std::size_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

}  // namespace

int check_command(std::span<const std::string> arguments) {
  boost::program_options::options_description options("Options");
  add_config_option(options);
  const auto values =
      parse_options({"check", "-c FILE", "Validates a configuration and prints every fault, with its place."},
                    options, arguments);
  if (!values) return values.error();
  const auto config = load_config(*values);
  if (!config) return exit_code::usage;
  fmt::print("{}: valid: {}, {}, {}\n", config->file, count(config->listeners.size(), "listener"),
             count(config->rules.size(), "route"), count(config->backends.size(), "backend"));
  return exit_code::fine;
}

}  // namespace portshare
