// What is wrong with a configuration file, and where.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace portshare {

/// Both count from 1; 0 stands for "the file as a whole". Columns count code points.
struct FilePosition {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  auto operator<=>(const FilePosition&) const = default;
};

enum class Severity : std::uint8_t { error, warning };

struct Diagnostic {
  Severity severity = Severity::error;
  std::string file;
  FilePosition position;
  std::string message;

  /// "FILE:LINE:COLUMN: error: MESSAGE", the form that editors and compilers understand.
  [[nodiscard]] std::string to_string() const;
};

/// Collects the faults of one file, so that all of them are reported and not only the first.
class DiagnosticList {
 public:
  explicit DiagnosticList(std::string file) : file_(std::move(file)) {}

  void error(FilePosition position, std::string message);
  void warning(FilePosition position, std::string message);

  [[nodiscard]] std::size_t error_count() const { return error_count_; }
  /// A suggestion compares a word with all that it might have been. A generated file with a million faults
  /// shall not pay for that a million times.
  [[nodiscard]] bool has_room_for_suggestions() const { return error_count_ < 100; }
  /// Everything in the order of the file; the list is empty afterwards.
  [[nodiscard]] std::vector<Diagnostic> take_sorted();

 private:
  std::string file_;
  std::vector<Diagnostic> diagnostics_;
  std::size_t error_count_ = 0;
};

}  // namespace portshare
