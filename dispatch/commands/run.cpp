#include "dispatch/commands/run.h"

#include <fmt/format.h>

#include <cstdio>

#include "dispatch/commands/command_line.h"
#include "dispatch/commands/config_option.h"

namespace portshare {
namespace {

int run_dispatcher(const Config& config) {
  fmt::print(stderr, "{}: the dispatcher is not part of this build\n", config.file);
  return exit_code::failed;
}

}  // namespace

int run_command(std::span<const std::string> arguments) {
  boost::program_options::options_description options("Options");
  add_config_option(options);
  const auto values = parse_options(
      {"run", "-c FILE",
       "Runs in the foreground. Prints the line \"ready\" on stderr when every listener is bound."},
      options, arguments);
  if (!values) return values.error();
  const auto config = load_config(*values);
  if (!config) return exit_code::usage;
  return run_dispatcher(*config);  // The dispatcher's entry takes the place of the function above.
}

}  // namespace portshare
