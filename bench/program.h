// portshare-bench as a function, so that tests can call it.
#pragma once

#include <span>
#include <string>

namespace portshare {

/// `arguments` without the program's own name. Returns the exit code.
[[nodiscard]] int run_bench(std::span<const std::string> arguments);

}  // namespace portshare
