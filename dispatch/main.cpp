#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "command_line/command_line.h"
#include "dispatch/commands/program.h"
#include "platform/standard_streams.h"

int main(int argc, char** argv) {
  using portshare::exit_code::failed;
  using portshare::exit_code::fine;
  try {
    if (!portshare::open_missing_standard_streams()) return failed;
    const int code = portshare::run_program(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
    if (const auto written = portshare::flush_stdout(); !written) {
      std::cerr << "portshare: cannot write the output: " << written.error() << '\n';
      return code == fine ? failed : code;
    }
    return code;
  } catch (const std::exception& error) {
    // What throws is the library below us when memory or the disk behind stdout is full.
    std::cerr << "portshare: " << error.what() << '\n';
    return failed;
  }
}
