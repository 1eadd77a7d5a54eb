#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "bench/program.h"
#include "command_line/command_line.h"

int main(int argc, char** argv) {
  try {
    return portshare::run_bench(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  } catch (const std::exception& error) {
    // What throws is the library below us when memory or the disk behind stdout is full.
    std::cerr << "portshare-bench: " << error.what() << '\n';
    return portshare::exit_code::failed;
  }
}
