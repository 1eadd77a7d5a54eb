#include "dispatch/commands/program.h"

#include <array>
#include <string_view>

#include "command_line/command_line.h"
#include "dispatch/commands/check.h"
#include "dispatch/commands/connections.h"
#include "dispatch/commands/demo.h"
#include "dispatch/commands/explain.h"
#include "dispatch/commands/probe.h"
#include "dispatch/commands/run.h"
#include "dispatch/commands/status.h"
#include "dispatch/commands/steering.h"
#include "dispatch/commands/top.h"
#include "dispatch/commands/who.h"

namespace portshare {
namespace {

constexpr std::array commands{
    Command{"run", "run in the foreground", run_command},
    Command{"check", "validate a configuration", check_command},
    Command{"explain", "say which route a connection would take, and why", explain_command},
    Command{"who", "say who holds a port", who_command},
    Command{"probe", "try how this system lets sockets share and reuse a port", probe_command},
    Command{"status", "show what the running program serves, and how it is", status_command},
    Command{"top", "show it live", top_command},
    Command{"connections", "list its connections, or end some", connections_command},
    Command{"reload", "have it read its configuration again", reload_command},
    Command{"drain", "have it end after its last connection", drain_command},
    Command{"upgrade", "have a new program take its place", upgrade_command},
    Command{"server", "take a server out, or back in", server_command},
    Command{"log-level", "set what it logs", log_level_command},
    Command{"demo", "show it: sample applications, portshare, and curl lines to try", demo_command},
};

/// Commands that this version does not have: they get an honest answer rather than a guess at a misspelling.
constexpr std::array<std::string_view, 2> later_commands{"lint", "exec"};

}  // namespace

int run_program(std::span<const std::string> arguments) {
  return run_command_of(
      {.name = "portshare",
       .purpose = "portshare owns a shared port and passes each connection on to the application "
                  "that it is meant for.",
       .version = PORTSHARE_VERSION,
       .commands = commands,
       .later_commands = later_commands},
      arguments);
}

}  // namespace portshare
