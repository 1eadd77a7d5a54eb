#include "bench/program.h"

#include <array>

#include "bench/compare_command.h"
#include "bench/load_command.h"
#include "bench/serve_command.h"
#include "command_line/command_line.h"

namespace portshare {

int run_bench(std::span<const std::string> arguments) {
  static const std::array commands{
      Command{"connections", text_of(LoadKind::connections).summary, connections_command},
      Command{"ping-pong", text_of(LoadKind::ping_pong).summary, ping_pong_command},
      Command{"bulk", text_of(LoadKind::bulk).summary, bulk_command},
      Command{"idle", text_of(LoadKind::idle).summary, idle_command},
      Command{"slow", text_of(LoadKind::slow).summary, slow_command},
      Command{"compare", "several servers under the same load, in interleaved rounds", compare_command},
      Command{"serve", "a server to measure against, or to put behind a proxy", serve_command},
  };
  return run_command_of(
      {.name = bench_program,
       .purpose = "portshare-bench loads a TCP server, or a proxy in front of one, and measures it.",
       .version = PORTSHARE_VERSION,
       .commands = commands},
      arguments);
}

}  // namespace portshare
