#include "dispatch/commands/command_line.h"

#include <fmt/format.h>

#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>
#include <cstdio>
#include <sstream>
#include <vector>

#include "dispatch/suggestion.h"

namespace portshare {
namespace {

namespace po = boost::program_options;

std::string describe_unknown_option(std::string_view option, const po::options_description& options) {
  option = option.substr(0, option.find('='));  // Boost leaves the value of an unknown option on it.
  std::vector<std::string> names;
  for (const auto& each : options.options()) names.push_back("--" + each->long_name());
  return fmt::format("unknown option '{}'{}", option, suggest(option, names));
}

void print_help(const CommandUsage& usage, const po::options_description& options) {
  std::ostringstream list;
  list << options;
  fmt::print("Usage: portshare {} {}\n{}\n\n{}", usage.name, usage.synopsis, usage.purpose, list.str());
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
    const auto parsed = po::command_line_parser(std::vector<std::string>(arguments.begin(), arguments.end()))
                            .options(options)
                            .style(style)
                            .run();
    for (const auto& option : parsed.options) {
      if (option.position_key < 0) continue;
      return std::unexpected(report_usage_error(
          usage.name,
          fmt::format("unexpected argument '{}'; every value needs its option, as in: portshare {} {}",
                      option.value.front(), usage.name, usage.synopsis)));
    }
    po::store(parsed, values);
    po::notify(values);
  } catch (const po::unknown_option& error) {
    return std::unexpected(
        report_usage_error(usage.name, describe_unknown_option(error.get_option_name(), options)));
  } catch (const po::error& error) {
    return std::unexpected(report_usage_error(usage.name, error.what()));
  }
  if (values.contains("help")) {
    print_help(usage, options);
    return std::unexpected(exit_code::fine);
  }
  return values;
}

int report_usage_error(std::string_view command, std::string_view message) {
  fmt::print(stderr, "portshare {0}: {1}\n'portshare {0} --help' explains the options\n", command, message);
  return exit_code::usage;
}

}  // namespace portshare
