// Runs the program inside the test and keeps what it prints.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "dispatch/commands/program.h"

namespace portshare {

struct ProgramOutput {
  int exit_code = 0;
  std::string standard_output;
  std::string standard_error;
  bool operator==(const ProgramOutput&) const = default;
};

inline void PrintTo(const ProgramOutput& output, std::ostream* stream) {
  *stream << "exit code " << output.exit_code << "\nstdout: " << output.standard_output
          << "\nstderr: " << output.standard_error;
}

inline ProgramOutput run(const std::vector<std::string>& arguments) {
  ProgramOutput output;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  output.exit_code = run_program(arguments);
  output.standard_output = testing::internal::GetCapturedStdout();
  output.standard_error = testing::internal::GetCapturedStderr();
  return output;
}

/// A file that lives as long as the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content) {
    std::ofstream file(path_, std::ios::binary);
    file << content;
    file.close();
    EXPECT_TRUE(file) << path_;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = testing::TempDir() + "portshare_" + std::to_string(std::random_device()());
};

}  // namespace portshare
