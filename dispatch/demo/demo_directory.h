// Where the demo leaves the files that its curl lines name.
#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace portshare {

/// A new directory under the system's temporary one, which goes with the object.
class DemoDirectory {
 public:
  /// The error is a sentence.
  static std::expected<DemoDirectory, std::string> make();
  DemoDirectory(DemoDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  DemoDirectory& operator=(DemoDirectory&&) = delete;
  ~DemoDirectory();

  /// The path of the new file; the error is a sentence.
  [[nodiscard]] std::expected<std::string, std::string> write(std::string_view name,
                                                              std::string_view content) const;

 private:
  explicit DemoDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace portshare
