// The option -c, which most commands have.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <optional>

#include "dispatch/config.h"
#include "dispatch/config_reader.h"

namespace portshare {

constexpr const char* default_config_file = "/etc/portshare/portshare.toml";

/// Adds "-c, --config FILE".
void add_config_option(boost::program_options::options_description& options);

/// Reads the file that the option names, and prints its errors and warnings on stderr. Empty: it has errors.
[[nodiscard]] std::optional<Config> load_config(const boost::program_options::variables_map& values);

/// The same with those errors and warnings.
[[nodiscard]] ConfigResult read_config(const boost::program_options::variables_map& values);

}  // namespace portshare
