#include "dispatch/commands/config_option.h"

#include <fmt/format.h>

#include <boost/program_options/value_semantic.hpp>
#include <cstdio>
#include <string>

#include "command_line/command_line.h"
#include "platform/memory.h"

namespace portshare {

void add_config_option(boost::program_options::options_description& options) {
  options.add_options()(
      "config,c",
      boost::program_options::value<std::string>()->default_value(default_config_file)->value_name("FILE"),
      "the configuration");
}

std::optional<Config> load_config(const boost::program_options::variables_map& values) {
  return std::move(read_config(values).config);
}

ConfigResult read_config(const boost::program_options::variables_map& values) {
  join_freed_blocks_at_once();
  ConfigResult result = read_config_file(*option_value<std::string>(values, "config"));
  for (const Diagnostic& diagnostic : result.diagnostics) fmt::print(stderr, "{}\n", diagnostic.to_string());
  return result;
}

}  // namespace portshare
