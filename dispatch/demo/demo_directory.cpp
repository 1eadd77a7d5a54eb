#include "dispatch/demo/demo_directory.h"

#include <fmt/format.h>

#include <fstream>
#include <random>
#include <system_error>

namespace portshare {

namespace fs = std::filesystem;

std::expected<DemoDirectory, std::string> DemoDirectory::make() {
  std::error_code error;
  const fs::path parent = fs::temp_directory_path(error);
  if (error) return std::unexpected(fmt::format("no directory for temporary files: {}", error.message()));
  // Short, so that the curl lines fit a terminal. A name that exists already, whatever it is, is not taken.
  constexpr int attempts = 16;
  std::random_device random;
  for (int i = 0; i < attempts && !error; ++i) {
    const fs::path path = parent / fmt::format("portshare-{:06x}", random() & 0xffffff);
    if (fs::create_directory(path, error)) return DemoDirectory(path);
  }
  return std::unexpected(fmt::format("cannot make a directory in {}: {}", parent.string(),
                                     error ? error.message() : "all names are taken"));
}

DemoDirectory::~DemoDirectory() {
  std::error_code ignored;  // nobody could do anything about it
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

std::expected<std::string, std::string> DemoDirectory::write(std::string_view name,
                                                             std::string_view content) const {
  const fs::path path = path_ / name;
  std::ofstream file(path, std::ios::binary);
  file << content << std::flush;
  if (!file) return std::unexpected(fmt::format("cannot write {}", path.string()));
  return path.string();
}

}  // namespace portshare
