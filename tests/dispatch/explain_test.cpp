// Compares what `portshare explain` says with a transcript: lines "$ OPTIONS", each followed by the output.
// When the wording changes on purpose, the transcript of the failing test is the new explain.expected.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/dispatch/program_output.h"

namespace portshare {
namespace {

const std::filesystem::path folder = PORTSHARE_TEST_FOLDER;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

TEST(Explain, SaysWhatTheTranscriptSays) {
  const std::string config = (folder / "explain.toml").string();
  std::ifstream file(folder / "explain.expected");
  std::string expected;
  std::string actual;
  std::size_t commands = 0;
  for (std::string line; std::getline(file, line);) {
    expected += line + "\n";
    if (!line.starts_with("$ ")) continue;
    ++commands;
    std::vector<std::string> arguments{"explain", "-c", config};
    std::istringstream words(line.substr(2));
    for (std::string word; words >> word;) arguments.push_back(word);
    const ProgramOutput output = run(arguments);
    actual += line + "\n" + output.standard_output + output.standard_error;
    if (output.exit_code != 0) actual += "exit code " + std::to_string(output.exit_code) + "\n";
  }
  EXPECT_GT(commands, 10U);
  EXPECT_EQ(replaced(actual, config, "explain.toml"), expected);
}

}  // namespace
}  // namespace portshare
