#pragma once

#include <string>
#include <vector>

namespace portshare {

/// What came of a reload.
struct ReloadReport {
  bool succeeded = false;
  std::vector<std::string> changes;        ///< what is different now, a sentence each
  std::vector<std::string> warnings = {};  ///< about the file, each with its place
  std::vector<std::string> faults;  ///< why nothing is, each with its place in the file where it has one
};

}  // namespace portshare
