#include "dispatch/commands/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "command_line/command_line.h"
#include "dispatch/commands/config_option.h"
#include "dispatch/error_log.h"
#include "dispatch/privilege_drop.h"
#include "dispatch/supervisor.h"
#include "platform/engine.h"
#include "platform/program_start.h"
#include "platform/service_manager.h"
#include "platform/signals.h"

namespace portshare {
namespace {

/// One line for each.
void print_errors(std::string_view errors) {
  for (std::size_t end = 0; !errors.empty(); errors.remove_prefix(std::min(end + 1, errors.size()))) {
    end = std::min(errors.find('\n'), errors.size());
    fmt::print(stderr, "portshare: {}\n", errors.substr(0, end));
  }
}

/// All connections have ended. The logs get a moment to write what they have, but a reader of stderr that has
/// stopped reading keeps no program alive.
void exit_even_if_logs_are_stuck() {
  std::thread([] {
    std::this_thread::sleep_for(std::chrono::seconds{2});
    std::_Exit(exit_code::fine);
  }).detach();
}

std::string errors_of(const ConfigResult& result) {
  std::string lines;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    if (diagnostic.severity != Severity::error) continue;
    lines.append(lines.empty() ? "" : "\n").append(diagnostic.to_string());
  }
  return lines;
}

/// `predecessor`: the program whose place this one takes, if there is one.
int run_dispatcher(Config config, std::optional<SocketChannel> predecessor) {
  // Three things for before the first thread: it has no say in the environment, and inherits the rest.
  ServiceManager service_manager = ServiceManager::from_environment();
  const auto privileges = PrivilegeDrop::prepare(config);
  if (!privileges) {
    if (predecessor) Takeover::decline(*predecessor, privileges.error());
    print_errors(privileges.error());
    return exit_code::failed;
  }
  block_signals();
  std::optional<ErrorLog> error_log(std::in_place, config.server.log.level);
  const auto fail = [&](std::string_view errors) {
    error_log.reset();  // what it still has to say comes first
    print_errors(errors);
    return exit_code::failed;
  };
  std::unique_ptr<Takeover> takeover;
  if (predecessor) {
    auto begun = Takeover::begin(std::move(*predecessor));
    if (!begun) return fail(begun.error());
    takeover = std::move(*begun);
  }
  auto engine = make_engine(Engine::epoll);
  if (!engine) return fail(engine.error().reason);
  Supervisor supervisor(std::move(*engine), std::move(service_manager));
  const auto started =
      supervisor.start(std::move(config), [&] { return privileges->finish(); }, std::move(takeover));
  if (!started) return fail(started.error());
  error_log->announce("ready");
  supervisor.run();
  exit_even_if_logs_are_stuck();
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
  hold_requests();
  std::optional<SocketChannel> predecessor = take_channel();
  ConfigResult result = read_config(*values);
  if (!result.config) {
    if (predecessor) Takeover::decline(*predecessor, errors_of(result));
    return exit_code::usage;
  }
  return run_dispatcher(std::move(*result.config), std::move(predecessor));
}

}  // namespace portshare
