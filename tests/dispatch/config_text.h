// Short configurations for tests, and their faults as short strings.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "dispatch/config_reader.h"

namespace portshare {

/// What is wrong with `text`, as "LINE:COLUMN: error: MESSAGE".
inline std::vector<std::string> faults_of(std::string_view text) {
  std::vector<std::string> faults;
  for (const Diagnostic& diagnostic : read_config(text, "f").diagnostics) {
    faults.push_back(diagnostic.to_string().substr(2));
  }
  return faults;
}

/// A listener "l" at line 1 whose default is the backend "b", with more of the file behind it, from line 2
/// on.
inline std::string with_basics(std::string_view more) {
  return fmt::format(
      "listener.l = {{ bind = [\"127.0.0.1:80\"], default = \"b\" }}\n{}\n[backend.b]\nservers = "
      "[\"127.0.0.1:8080\"]\n",
      more);
}

}  // namespace portshare
