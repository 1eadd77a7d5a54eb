#include "bench/serve_command.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "bench/load_command.h"
#include "bench/load_options.h"
#include "bench/output.h"
#include "bench/quantities.h"
#include "bench/targets.h"
#include "bench/test_server.h"
#include "command_line/command_line.h"
#include "core/suggestion.h"
#include "platform/cpu.h"
#include "platform/descriptor_limit.h"
#include "platform/signals.h"

namespace portshare {
namespace {

namespace po = boost::program_options;
using Behaviour = TestServerSettings::Behaviour;

constexpr std::array<std::pair<std::string_view, Behaviour>, 4> behaviours{{{"reply", Behaviour::reply},
                                                                            {"echo", Behaviour::echo},
                                                                            {"source", Behaviour::source},
                                                                            {"sink", Behaviour::sink}}};

std::expected<TestServerSettings, std::string> read_settings(const po::variables_map& values) {
  TestServerSettings settings;
  for (const std::string& text : *option_value<std::vector<std::string>>(values, "listen")) {
    const auto address = parse_target(text);
    if (!address) return std::unexpected(address.error());
    settings.listen.push_back(*address);
  }
  const std::string& word = *option_value<std::string>(values, "behaviour");
  bool is_known = false;
  for (const auto& [name, behaviour] : behaviours) {
    if (name != word) continue;
    settings.behaviour = behaviour;
    is_known = true;
  }
  if (!is_known)
    return std::unexpected(
        fmt::format("--behaviour: '{}' is none of 'reply', 'echo', 'source', 'sink'{}", word,
                    suggest(word, behaviours, &std::pair<std::string_view, Behaviour>::first)));
  const std::string& size = *option_value<std::string>(values, "bytes");
  constexpr std::uint64_t most_bytes = std::uint64_t{1} << 30;
  const auto bytes = parse_size(size);
  if (!bytes || *bytes == 0 || *bytes > most_bytes)
    return std::unexpected(fmt::format("--bytes: '{}' is not a size from 1 to 1GiB", size));
  settings.reply_bytes = *bytes;
  settings.keeps_connections = *option_value<bool>(values, "keep");
  const auto engine = read_engine(values);
  if (!engine) return std::unexpected(engine.error());
  settings.engine = *engine;
  const unsigned threads = *option_value<unsigned>(values, "threads");
  settings.threads = threads == 0 ? usable_cpu_count() : threads;
  return settings;
}

}  // namespace

int serve_command(std::span<const std::string> arguments) {
  po::options_description options("Options");
  auto add = options.add_options();
  add("listen",
      po::value<std::vector<std::string>>()->value_name("ADDRESS")->default_value({"127.0.0.1:0"},
                                                                                  "127.0.0.1:0"),
      "where to listen; port 0: the system chooses one; repeatable");
  add("behaviour", po::value<std::string>()->default_value("reply")->value_name("WHICH"),
      "reply: answer the first bytes; echo: send back what comes; source: send without end; sink: read and "
      "drop");
  add("bytes", po::value<std::string>()->default_value("1024")->value_name("SIZE"),
      "of a reply, whose HTTP head comes on top where the first bytes are HTTP");
  add("keep", po::bool_switch(), "leave the connection open after the reply");
  add("threads,t", po::value<unsigned>()->default_value(1)->value_name("N"), "threads; 0: one per CPU");
  add_engine_option(options);
  const auto values = parse_options(
      {.name = "serve",
       .synopsis = "[ADDRESS]... [OPTION]...",
       .purpose = "A server to measure against, or to put behind a proxy that is measured. It answers the "
                  "first bytes\n"
                  "without understanding them: a whole TLS record, an HTTP head, or whatever else comes "
                  "first. Prints\n"
                  "\"listening on ADDRESS\" on stdout for each address, and runs until SIGTERM or SIGINT.",
       .program = bench_program,
       .positional = "listen"},
      options, arguments);
  if (!values) return values.error();
  const auto settings = read_settings(*values);
  if (!settings) return report_usage_error("serve", settings.error(), bench_program);

  block_signals();  // before the first thread, which inherits it
  raise_descriptor_limit();
  const auto server = TestServer::start(*settings);
  if (!server) {
    fmt::print(stderr, "{}: {}\n", bench_program, server.error());
    return exit_code::failed;
  }
  std::string lines;
  for (const SocketAddress& address : (*server)->addresses())
    lines += fmt::format("listening on {}\n", address.to_string());
  if (const auto written = write_text("-", lines); !written) {
    fmt::print(stderr, "{}: {}\n", bench_program, written.error());
    return exit_code::failed;
  }
  while (wait_for_signal() != Signal::terminate) continue;
  return exit_code::fine;
}

}  // namespace portshare
