#include "dispatch/commands/run.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "dispatch/commands/command_line.h"
#include "dispatch/commands/config_option.h"
#include "dispatch/commands/serve.h"
#include "dispatch/dispatcher.h"
#include "dispatch/error_log.h"
#include "platform/memory.h"
#include "platform/signals.h"

namespace portshare {
namespace {

int run_dispatcher(Config config) {
  block_signals();  // before the first thread, which inherits it
  const ErrorLog error_log(config.server.log.level);
  // A large file leaves as much memory behind as the routes take.
  config.rules = {};
  return_unused_memory();
  const auto dispatcher = Dispatcher::start(config);
  if (!dispatcher) {
    fmt::print(stderr, "portshare: {}\n", dispatcher.error());
    return exit_code::failed;
  }
  fmt::print(stderr, "ready\n");
  serve_until_signalled(**dispatcher, config);
  return exit_code::fine;
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
  auto config = load_config(*values);
  if (!config) return exit_code::usage;
  return run_dispatcher(std::move(*config));
}

}  // namespace portshare
