// The one place that knows how toml++ is built: without exceptions, its implementation compiled once, in
// toml_document.cpp. Included by the readers of the configuration's tables, not by users of the result.
#pragma once

#define TOML_HEADER_ONLY 0
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <string_view>

#include "dispatch/diagnostics.h"

namespace portshare {

[[nodiscard]] inline FilePosition position_of(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}
[[nodiscard]] inline FilePosition position_of(const toml::node& node) {
  return position_of(node.source());
}

/// "an integer", "a string", … for "must be …, not …".
[[nodiscard]] std::string_view type_name(const toml::node& node);

}  // namespace portshare
