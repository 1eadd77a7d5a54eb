#include "dispatch/commands/status.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "command_line/command_line.h"
#include "dispatch/commands/admin_client.h"
#include "dispatch/commands/text_table.h"
#include "dispatch/port_owner_text.h"

namespace portshare {
namespace {

using Json = nlohmann::ordered_json;
using Align = TextTable::Align;

constexpr std::size_t most_failures = 10;

std::string text_or_dash(const Json& value) {
  return value.is_string() ? printable(value.get<std::string>()) : "-";
}

std::string count_of(const Json& value) {
  return count_text(value.get<double>());
}

/// "ok 12, no_route 3".
std::string outcomes_text(const Json& outcomes) {
  std::string text;
  for (const auto& [outcome, count] : outcomes.items()) {
    fmt::format_to(std::back_inserter(text), "{}{} {}", text.empty() ? "" : ", ", outcome, count_of(count));
  }
  return text.empty() ? "none" : text;
}

std::string joined(const Json& texts, std::string_view separator) {
  std::string joined;
  for (const Json& text : texts) {
    if (!joined.empty()) joined += separator;
    joined += printable(text.get<std::string>());
  }
  return joined;
}

std::string header_text(const Json& status) {
  const Json& config = status["config"];
  const std::size_t workers = status["workers"].size();
  std::string text = fmt::format("portshare {}, pid {}, up {}, {} worker{} with {}{}\n",
                                 status["version"].get<std::string>(), status["pid"].get<int>(),
                                 age_text(status["uptime_seconds"].get<double>()), workers,
                                 workers == 1 ? "" : "s", status["engine"].get<std::string>(),
                                 status["draining"].get<bool>() ? "; draining: no new connections" : "");
  const auto routes = status["routes"].get<std::size_t>();
  fmt::format_to(std::back_inserter(text), "configuration {}, read {}, {} route{}\n",
                 printable(config["file"].get<std::string>()), config["loaded"].get<std::string>(), routes,
                 routes == 1 ? "" : "s");
  const Json& connections = status["connections"];
  fmt::format_to(std::back_inserter(text), "connections: {} open, {} accepted; ended: {}\n",
                 count_of(connections["active"]), count_of(connections["accepted"]),
                 outcomes_text(connections["closed"]));
  return text;
}

std::string troubles_text(const Json& status) {
  std::string text;
  const Json& config = status["config"];
  if (!config["last_reload_succeeded"].get<bool>()) {
    fmt::format_to(std::back_inserter(text), "! the last reload has failed: {}\n",
                   joined(config["faults"], "; "));
  }
  for (const Json& other : status["second_listeners"]) {
    fmt::format_to(std::back_inserter(text),
                   "! another program listens on {}, beside listener '{}': {}; it {}\n",
                   text_or_dash(other["address"]), text_or_dash(other["listener"]),
                   text_or_dash(other["holder"]), text_or_dash(other["effect"]));
  }
  for (const Json& worker : status["workers"]) {
    if (worker["stuck"].get<bool>()) {
      fmt::format_to(std::back_inserter(text), "! worker {} is stuck, and with it {} connections; restart\n",
                     worker["worker"].get<int>(), count_of(worker["connections"]));
    }
    if (!worker["accepting"].get<bool>() && !status["draining"].get<bool>()) {
      fmt::format_to(std::back_inserter(text), "! worker {} has paused accepting at {} connections\n",
                     worker["worker"].get<int>(), count_of(worker["connections"]));
    }
    if (worker["access_log_dropped"].get<std::uint64_t>() > 0) {
      fmt::format_to(std::back_inserter(text), "! worker {} has lost {} lines of the access log\n",
                     worker["worker"].get<int>(), count_of(worker["access_log_dropped"]));
    }
  }
  return text;
}

std::string listeners_text(const Json& listeners) {
  TextTable table({{.title = "LISTENER"},
                   {.title = "ADDRESS"},
                   {.title = "OPEN", .align = Align::right},
                   {.title = "ACCEPTED", .align = Align::right}});
  for (const Json& listener : listeners) {
    table.add({listener["name"].get<std::string>(), joined(listener["bound"], ", "),
               count_of(listener["active"]), count_of(listener["accepted"])});
  }
  return table.to_string();
}

std::string backends_text(const Json& backends) {
  TextTable table({{.title = "BACKEND"},
                   {.title = "SERVER"},
                   {.title = "STATE"},
                   {.title = "OPEN", .align = Align::right},
                   {.title = "TOTAL", .align = Align::right},
                   {.title = "FAILED", .align = Align::right},
                   {.title = "REASON"}});
  for (const Json& backend : backends) {
    std::string name = backend["name"].get<std::string>();
    if (!backend.contains("servers")) {
      table.add({name, "-", "-", count_of(backend["active"]), "-", "-", ""});
      continue;
    }
    for (const Json& server : backend["servers"]) {
      std::string address = printable(server["address"].get<std::string>());
      if (server["backup"].get<bool>()) address += " (backup)";
      table.add({name, address, server["state"].get<std::string>(), count_of(server["active"]),
                 count_of(server["total"]), count_of(server["failed_connects"]),
                 server["reason"].is_string() ? printable(server["reason"].get<std::string>()) : ""});
      name.clear();  // once is enough
    }
  }
  return table.to_string();
}

std::string failures_text(const Json& failures) {
  TextTable table({{.title = "RECENT ERRORS"},
                   {.title = "OUTCOME"},
                   {.title = "CLIENT"},
                   {.title = "NAME"},
                   {.title = "BACKEND"},
                   {.title = "SERVER"}});
  for (const Json& failure : failures) {
    table.add({failure["time"].get<std::string>(), failure["outcome"].get<std::string>(),
               text_or_dash(failure["client"]), text_or_dash(failure["name"]),
               text_or_dash(failure["backend"]), text_or_dash(failure["server"])});
    if (table.row_count() == most_failures) break;
  }
  return table.is_empty() ? "" : "\n" + table.to_string();
}

}  // namespace

std::string status_text(const std::string& document) {
  const Json status = Json::parse(document);
  return header_text(status) + troubles_text(status) + "\n" + listeners_text(status["listeners"]) + "\n" +
         backends_text(status["backends"]) + failures_text(status["recent_failures"]);
}

int status_command(std::span<const std::string> arguments) {
  boost::program_options::options_description options("Options");
  add_admin_options(options, true);
  const auto values = parse_options(
      {"status", "[--json]", "Shows what the running program serves, and how it is."}, options, arguments);
  if (!values) return values.error();
  auto client = AdminClient::from_options(*values);
  if (!client) return report_usage_error("status", client.error());
  const auto answer = client->get("/status", "version");
  if (!answer) return report_failure("status", answer.error());
  if (!answer->succeeded()) return report_refusal("status", *answer);
  fmt::print("{}", values->contains("json") ? answer->body : status_text(answer->body));
  return exit_code::fine;
}

}  // namespace portshare
