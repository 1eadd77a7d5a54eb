#include "dispatch/commands/probe.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "command_line/command_line.h"
#include "dispatch/commands/probe_results.h"
#include "dispatch/commands/probe_summary.h"
#include "dispatch/commands/probe_table.h"
#include "platform/bind_trial.h"
#include "platform/process_usage.h"

namespace portshare {
namespace {

constexpr std::size_t line_length = 80;

/// The sentence as a point of a list, in lines of that length.
void print_point(std::string_view sentence) {
  std::string line = "-";
  while (!sentence.empty()) {
    const std::size_t end = std::min(sentence.find(' '), sentence.size());
    const std::string_view word = sentence.substr(0, end);
    if (line.size() + 1 + word.size() > line_length) {
      fmt::print("{}\n", line);
      line.assign(1, ' ');
    }
    line.append(" ").append(word);
    sentence.remove_prefix(std::min(end + 1, sentence.size()));
  }
  fmt::print("{}\n", line);
}

std::string_view json_name(PortUse use) {
  switch (use) {
    case PortUse::listening:
      return "listening";
    case PortUse::connected:
      return "connected";
    case PortUse::time_wait:
      return "time_wait";
  }
  std::unreachable();
}

std::string_view json_name(SecondOwner owner) {
  switch (owner) {
    case SecondOwner::same_process:
      return "same_process";
    case SecondOwner::other_process:
      return "other_process";
    case SecondOwner::other_user:
      return "other_user";
  }
  std::unreachable();
}

/// "ok", "EADDRINUSE".
std::string step(int system_error) {
  return system_error == 0 ? "ok" : error_name(system_error);
}

nlohmann::ordered_json to_json(const ProbeResult& result) {
  const BindTrial& trial = result.trial;
  nlohmann::ordered_json json{
      {"port", json_name(trial.use)},
      {"owner", json_name(trial.owner)},
      {"first", {{"address", to_string(trial.addresses.first)}, {"option", to_string(trial.first)}}},
      {"second", {{"address", to_string(trial.addresses.second)}, {"option", to_string(trial.second)}}},
      {"result", to_string(verdict_of(result))},
  };
  if (!result.outcome) {
    json["reason"] = result.outcome.error();
    return json;
  }
  const BindOutcome& outcome = *result.outcome;
  json["bind"] = step(outcome.second.bind_error);
  json["listen"] = outcome.second.bind_error == 0 ? nlohmann::ordered_json(step(outcome.second.listen_error))
                                                  : nlohmann::ordered_json(nullptr);
  json["connections"] = {
      {"first", outcome.first_got}, {"second", outcome.second_got}, {"refused", outcome.refused}};
  if (trial.use == PortUse::connected) json["established_connection_lives"] = outcome.established_lives;
  return json;
}

void print_json(const ProbeResults& results) {
  nlohmann::ordered_json json{{"system", describe_system()},
                              {"summary", probe_summary(results)},
                              {"trials", nlohmann::json::array()}};
  for (const ProbeResult& result : results.all()) json["trials"].push_back(to_json(result));
  fmt::print("{}\n", json.dump(1));
}

void print_text(const ProbeResults& results) {
  fmt::print(
      "{}\nA first socket has, or had, a port; a second one is bound to it. Each cell was\n"
      "tried on loopback.\n\n"
      "{}\nWhat this means here:\n",
      describe_system(), probe_table(results));
  for (const std::string& sentence : probe_summary(results)) print_point(sentence);
}

}  // namespace

int probe_command(std::span<const std::string> arguments) {
  boost::program_options::options_description options("Options");
  options.add_options()("json", "every trial for a script, with the errors and numbers of connections");
  const auto values = parse_options(
      {"probe", "[--json]",
       "Tries how this system lets listening sockets share and reuse a port: for each state of the "
       "port, owner, address and option, whether a second socket can be bound to it, and who then "
       "gets the connections. On loopback, with ports that the system chooses; as root with "
       "another user too."},
      options, arguments);
  if (!values) return values.error();
  auto trials = BindTrials::start();
  if (!trials) {
    fmt::print(stderr, "portshare probe: {}\n", trials.error());
    return exit_code::failed;
  }
  std::vector<ProbeResult> found;
  for (const BindTrial& trial : all_trials()) found.push_back({trial, trials->attempt(trial)});
  const ProbeResults results(std::move(found));
  if (values->count("json") > 0) {
    print_json(results);
  } else {
    print_text(results);
  }
  return exit_code::fine;
}

}  // namespace portshare
