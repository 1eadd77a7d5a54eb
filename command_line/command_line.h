// What the commands of portshare and of portshare-bench share: how one is called, its exit codes, its
// options.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace portshare {

namespace exit_code {
constexpr int fine = 0;
constexpr int failed = 1;  ///< while running: a bind, say
constexpr int usage = 2;   ///< wrong usage or configuration
}  // namespace exit_code

/// A command of the program. `run` gets what stands behind the command's name and returns an exit code.
struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(std::span<const std::string> arguments);
};

/// How a command is used, for its --help.
struct CommandUsage {
  std::string_view name;      ///< "check"
  std::string_view synopsis;  ///< "-c FILE"
  std::string_view purpose;   ///< a sentence or several
  std::string_view program = "portshare";
  /// The option that takes the values which stand alone; empty: there are none.
  const char* positional = "";
};

/// Parses options, and adds --help to them. If there is nothing left to do, because the help was asked for or
/// the options are wrong, everything is printed already, and the error is the exit code.
[[nodiscard]] std::expected<boost::program_options::variables_map, int> parse_options(
    const CommandUsage& usage, boost::program_options::options_description options,
    std::span<const std::string> arguments);

/// The value of an option of that type; null: not given and without a default. Valid as long as `values`.
template <typename Value>
[[nodiscard]] const Value* option_value(const boost::program_options::variables_map& values,
                                        const char* name) {
  return boost::any_cast<Value>(&values[name].value());
}

/// "PROGRAM COMMAND: MESSAGE" on stderr, with a hint at --help. Returns exit_code::usage.
[[nodiscard]] int report_usage_error(std::string_view command, std::string_view message,
                                     std::string_view program = "portshare");

/// The program itself: finds the command that the first argument names and runs it; --help and --version.
struct Program {
  std::string_view name;     ///< "portshare"
  std::string_view purpose;  ///< a sentence
  std::string_view version;
  std::span<const Command> commands;
  /// Commands that this version does not have: they get an honest answer rather than a guess at a
  /// misspelling.
  std::span<const std::string_view> later_commands = {};
};

/// `arguments` without the program's own name. Returns the exit code.
[[nodiscard]] int run_command_of(const Program& program, std::span<const std::string> arguments);

}  // namespace portshare
