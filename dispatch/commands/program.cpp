#include "dispatch/commands/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "dispatch/commands/check.h"
#include "dispatch/commands/command_line.h"
#include "dispatch/commands/demo.h"
#include "dispatch/commands/explain.h"
#include "dispatch/commands/run.h"
#include "dispatch/suggestion.h"

namespace portshare {
namespace {

constexpr std::array commands{
    Command{"run", "run in the foreground", run_command},
    Command{"check", "validate a configuration", check_command},
    Command{"explain", "say which route a connection would take, and why", explain_command},
    Command{"demo", "show it: sample applications, portshare, and curl lines to try", demo_command},
};

/// Commands that this version does not have: they get an honest answer rather than a guess at a misspelling.
constexpr std::array<std::string_view, 9> later_commands{"who",     "probe", "status", "reload", "drain",
                                                         "upgrade", "top",   "lint",   "exec"};

void print_help() {
  fmt::print(
      "portshare owns a shared port and passes each connection on to the application that it is meant "
      "for.\n\n"
      "Usage: portshare COMMAND [OPTION]...\n\nCommands:\n");
  for (const Command& command : commands) fmt::print("  {:<10}{}\n", command.name, command.summary);
  fmt::print(
      "\nOptions:\n  --help    print this help; 'portshare COMMAND --help' explains a command\n"
      "  --version print the version\n");
}

int report(std::string_view message) {
  fmt::print(stderr, "portshare: {}\n'portshare --help' lists the commands\n", message);
  return exit_code::usage;
}

}  // namespace

int run_program(std::span<const std::string> arguments) {
  if (arguments.empty()) return report("which command?");
  const std::string& word = arguments.front();
  if (word == "--help" || word == "-h") {
    print_help();
    return exit_code::fine;
  }
  if (word == "--version") {
    fmt::print("portshare {}\n", PORTSHARE_VERSION);
    return exit_code::fine;
  }
  const auto command = std::ranges::find(commands, word, &Command::name);
  if (command != commands.end()) return command->run(arguments.subspan(1));
  if (std::ranges::find(later_commands, word) != later_commands.end()) {
    return report(fmt::format("the command '{}' is not supported yet in this version", word));
  }
  if (word.starts_with('-')) {
    constexpr std::array<std::string_view, 2> options{"--help", "--version"};
    return report(fmt::format("unknown option '{}'{}", word, suggest(word, options)));
  }
  return report(fmt::format("unknown command '{}'{}", word, suggest(word, commands, &Command::name)));
}

}  // namespace portshare
