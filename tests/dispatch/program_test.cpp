#include "dispatch/commands/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/dispatch/config_text.h"
#include "tests/dispatch/program_output.h"

namespace portshare {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class ProgramTest : public testing::Test {
 protected:
  TemporaryFile valid{with_basics("[[route]]\nname = [\"a.example\"]\nto = \"b\"")};
  TemporaryFile faulty{with_basics("[[route]]\nto = \"c\"\n[server]\nworkers = -1")};
};

TEST_F(ProgramTest, VersionAndHelp) {
  EXPECT_EQ(run({"--version"}), (ProgramOutput{0, "portshare 0.1.0\n", ""}));
  const auto help = run({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.standard_output, AllOf(HasSubstr("run "), HasSubstr("check "), HasSubstr("explain ")));
  for (const char* command : {"run", "check", "explain"}) {
    const auto each = run({command, "--help"});
    EXPECT_EQ(each.exit_code, 0);
    EXPECT_THAT(each.standard_output, AllOf(StartsWith(fmt::format("Usage: portshare {} -c FILE", command)),
                                            HasSubstr("--config")));
    EXPECT_EQ(each.standard_error, "");
  }
}

TEST_F(ProgramTest, WrongUsageExplainsItself) {
  const auto expect_usage_error = [](const std::vector<std::string>& arguments, const char* message) {
    const auto output = run(arguments);
    EXPECT_EQ(output.exit_code, 2);
    EXPECT_EQ(output.standard_output, "");
    EXPECT_THAT(output.standard_error, HasSubstr(message));
  };
  expect_usage_error({}, "portshare: which command?");
  expect_usage_error({"chekc"}, "unknown command 'chekc'; did you mean 'check'?");
  expect_usage_error({"frobnicate"}, "unknown command 'frobnicate'\n");
  expect_usage_error({"--vresion"}, "unknown option '--vresion'; did you mean '--version'?");
  expect_usage_error({"lint"}, "'lint' is not supported yet");
  expect_usage_error({"check", "--confg", "f"}, "unknown option '--confg'; did you mean '--config'?");
  expect_usage_error({"check", "--conf=f"}, "unknown option '--conf'; did you mean '--config'?");
  expect_usage_error({"check", "-c"}, "'--config' is missing");
  expect_usage_error({"check", "f.toml"}, "unexpected argument 'f.toml'");
  expect_usage_error({"check", "-c", "a", "-c", "b"}, "--config");
  expect_usage_error({"run", "-x"}, "unknown option '-x'");
}

TEST_F(ProgramTest, CheckOfAValidFile) {
  EXPECT_EQ(run({"check", "-c", valid.path()}),
            (ProgramOutput{0, valid.path() + ": valid: 1 listener, 1 route, 1 backend\n", ""}));
}

TEST_F(ProgramTest, CheckPrintsEveryFault) {
  const auto output = run({"check", "--config=" + faulty.path()});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_EQ(output.standard_output, "");
  EXPECT_EQ(output.standard_error, faulty.path() + ":3:6: error: no backend is called 'c'\n" + faulty.path() +
                                       ":5:11: error: 'workers' is -1; it must be 0 to 1024\n");
}

TEST_F(ProgramTest, WarningsLeaveAFileValid) {
  const TemporaryFile file(with_basics("[backend.spare]\nservers = [\"[::1]:1\"]"));
  const auto output = run({"check", "-c", file.path()});
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_EQ(output.standard_error, file.path() + ":2:10: warning: nothing uses the backend 'spare'\n");
  EXPECT_THAT(output.standard_output, HasSubstr("valid"));
}

TEST_F(ProgramTest, EveryCommandRefusesAFaultyOrMissingFile) {
  for (const char* command : {"run", "check", "explain"}) {
    const auto output = run({command, "-c", faulty.path()});
    EXPECT_EQ(output.exit_code, 2) << command;
    EXPECT_THAT(output.standard_error, HasSubstr(":5:11: error: ")) << command;
    const auto missing = run({command, "-c", "/nonexistent.toml"});
    EXPECT_EQ(missing.exit_code, 2) << command;
    EXPECT_EQ(missing.standard_error,
              "/nonexistent.toml: error: cannot read the file: No such file or directory\n");
  }
}

}  // namespace
}  // namespace portshare
