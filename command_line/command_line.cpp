#include "command_line/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <cstdio>
#include <sstream>
#include <vector>

#include "core/suggestion.h"

namespace portshare {
namespace {

namespace po = boost::program_options;

std::string describe_unknown_option(std::string_view option, const po::options_description& options) {
  option = option.substr(0, option.find('='));  // Boost leaves the value of an unknown option on it.
  std::vector<std::string> names;
  for (const auto& each : options.options()) names.push_back("--" + each->long_name());
  return fmt::format("unknown option '{}'{}", option, suggest(option, names));
}

std::string describe_repeated_option(std::string_view option, const CommandUsage& usage) {
  const bool may_stand_alone = option.ends_with(usage.positional) && *usage.positional != '\0';
  return may_stand_alone ? fmt::format("more than one value for '{}': it is {} {} {}", option, usage.program,
                                       usage.name, usage.synopsis)
                         : fmt::format("option '{}' cannot be specified more than once", option);
}

/// Breaks lines at spaces, so that they fit into a terminal as it was first. Columns are counted in bytes:
/// a character of several makes its line a little shorter.
std::string wrapped(std::string_view text, std::size_t indent = 0) {
  constexpr std::size_t columns = 80;
  std::string lines;
  std::size_t used = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    const std::string_view word = text.substr(0, end);
    if (used > 0 && used + 1 + word.size() > columns) {
      lines.append("\n").append(indent, ' ');
      used = indent;
    } else if (used > 0) {
      lines.push_back(' ');
      ++used;
    }
    lines.append(word);
    used += word.size();
    if (end < text.size() && text[end] == '\n') {
      lines.push_back('\n');
      used = 0;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void print_help(const CommandUsage& usage, const po::options_description& options) {
  std::ostringstream list;
  list << options;
  const std::string call = fmt::format("Usage: {} {} ", usage.program, usage.name);
  fmt::print("{}\n{}\n\n{}", wrapped(call + std::string(usage.synopsis), call.size()), wrapped(usage.purpose),
             list.str());
}

void print_commands(const Program& program) {
  fmt::print("{0}\n\nUsage: {1} COMMAND [OPTION]...\n\nCommands:\n", wrapped(program.purpose), program.name);
  std::size_t width = 0;
  for (const Command& command : program.commands) width = std::max(width, command.name.size());
  for (const Command& command : program.commands)
    fmt::print("  {:<{}}  {}\n", command.name, width, command.summary);
  fmt::print(
      "\nOptions:\n  --help     print this help; '{} COMMAND --help' explains a command\n"
      "  --version  print the version\n",
      program.name);
}

}  // namespace

std::expected<po::variables_map, int> parse_options(const CommandUsage& usage,
                                                    po::options_description options,
                                                    std::span<const std::string> arguments) {
  options.add_options()("help,h", "print this help");
  // Abbreviated options would change their meaning with every option that is added later.
  constexpr int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::variables_map values;
  try {
    const std::string_view positional = usage.positional;
    po::positional_options_description positions;
    if (!positional.empty()) positions.add(usage.positional, -1);
    po::command_line_parser parser(std::vector<std::string>(arguments.begin(), arguments.end()));
    parser.options(options).style(style);
    // Without positions Boost hands over what stands alone, and we can say what is wrong with it.
    if (!positional.empty()) parser.positional(positions);
    const auto parsed = parser.run();
    for (const auto& option : parsed.options) {
      if (option.position_key < 0 || !positional.empty()) continue;
      return std::unexpected(report_usage_error(
          usage.name,
          fmt::format("unexpected argument '{}'; every value needs its option, as in: {} {} {}",
                      option.value.front(), usage.program, usage.name, usage.synopsis),
          usage.program));
    }
    po::store(parsed, values);
    // What is required is not looked for before this: who asks for help has not given it yet.
    if (!values.contains("help")) po::notify(values);
  } catch (const po::unknown_option& error) {
    return std::unexpected(report_usage_error(
        usage.name, describe_unknown_option(error.get_option_name(), options), usage.program));
  } catch (const po::multiple_occurrences& error) {
    return std::unexpected(report_usage_error(
        usage.name, describe_repeated_option(error.get_option_name(), usage), usage.program));
  } catch (const po::error& error) {
    return std::unexpected(report_usage_error(usage.name, error.what(), usage.program));
  }
  if (values.contains("help")) {
    print_help(usage, options);
    return std::unexpected(exit_code::fine);
  }
  return values;
}

int report_usage_error(std::string_view command, std::string_view message, std::string_view program) {
  fmt::print(stderr, "{0} {1}: {2}\n'{0} {1} --help' explains the options\n", program, command, message);
  return exit_code::usage;
}

int run_command_of(const Program& program, std::span<const std::string> arguments) {
  const auto report = [&](std::string_view message) {
    fmt::print(stderr, "{0}: {1}\n'{0} --help' lists the commands\n", program.name, message);
    return exit_code::usage;
  };
  if (arguments.empty()) return report("which command?");
  const std::string& word = arguments.front();
  if (word == "--help" || word == "-h") {
    print_commands(program);
    return exit_code::fine;
  }
  if (word == "--version") {
    fmt::print("{} {}\n", program.name, program.version);
    return exit_code::fine;
  }
  const auto command = std::ranges::find(program.commands, word, &Command::name);
  if (command != program.commands.end()) return command->run(arguments.subspan(1));
  if (std::ranges::find(program.later_commands, word) != program.later_commands.end()) {
    return report(fmt::format("the command '{}' is not supported yet in this version", word));
  }
  if (word.starts_with('-')) {
    constexpr std::array<std::string_view, 2> options{"--help", "--version"};
    return report(fmt::format("unknown option '{}'{}", word, suggest(word, options)));
  }
  return report(fmt::format("unknown command '{}'{}", word, suggest(word, program.commands, &Command::name)));
}

}  // namespace portshare
