#include "dispatch/commands/connections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "command_line/command_line.h"
#include "dispatch/commands/admin_client.h"
#include "dispatch/commands/text_table.h"
#include "dispatch/control/connection_list.h"
#include "dispatch/port_owner_text.h"

namespace portshare {
namespace {

namespace po = boost::program_options;
using Json = nlohmann::ordered_json;
using Align = TextTable::Align;

struct Filter {
  const char* name;
  const char* value;
  const char* meaning;
};
constexpr std::array filters{
    Filter{"id", "ID", "the one with this id"},
    Filter{"listener", "NAME", "those of a listener"},
    Filter{"backend", "NAME", "those with a backend"},
    Filter{"server", "ADDRESS", "those with one of its servers"},
    Filter{"client", "PREFIX", "those from an address or prefix"},
    Filter{"name", "NAME", "those for a name; *.example.com: for all below it"},
    Filter{"state", "STATE", "those that are first_flight, connecting, waiting, relaying, idle or ending"},
    Filter{"limit", "COUNT", "list at most so many, the oldest first (100)"},
};

std::string text_or_dash(const Json& value) {
  return value.is_string() ? printable(value.get<std::string>()) : "-";
}

std::string query_of(const po::variables_map& values) {
  std::string query;
  const auto add = [&](std::string_view part) { query.append(query.empty() ? "?" : "&").append(part); };
  for (const Filter& filter : filters) {
    if (const auto* value = option_value<std::string>(values, filter.name)) {
      add(fmt::format("{}={}", filter.name, percent_encoded(*value)));
    }
  }
  if (values.contains("all")) add("all");
  return query;
}

}  // namespace

std::string connections_text(const std::string& document) {
  const Json json = Json::parse(document);
  const Json& connections = json["connections"];
  TextTable table({{.title = "ID"},
                   {.title = "CLIENT"},
                   {.title = "LISTENER"},
                   {.title = "NAME"},
                   {.title = "BACKEND"},
                   {.title = "SERVER"},
                   {.title = "STATE"},
                   {.title = "AGE", .align = Align::right},
                   {.title = "IN", .align = Align::right},
                   {.title = "OUT", .align = Align::right}});
  for (const Json& one : connections) {
    table.add({one["id"].get<std::string>(), text_or_dash(one["client"]), one["listener"].get<std::string>(),
               text_or_dash(one["name"]), text_or_dash(one["backend"]), text_or_dash(one["server"]),
               one["state"].get<std::string>(), age_text(one["age_seconds"].get<double>()),
               bytes_text(one["bytes_in"].get<double>()), bytes_text(one["bytes_out"].get<double>())});
  }
  const auto matching = json["matching"].get<std::size_t>();
  std::string text = table.is_empty() ? "" : table.to_string();
  if (matching > connections.size()) {
    text += fmt::format("{} of {}; --limit shows more\n", connections.size(), matching);
  } else if (matching == 0) {
    text += "no connections\n";
  }
  return text;
}

int connections_command(std::span<const std::string> arguments) {
  po::options_description options("Options");
  for (const Filter& filter : filters) {
    options.add_options()(filter.name, po::value<std::string>()->value_name(filter.value), filter.meaning);
  }
  options.add_options()("kill", "end those that match, by a reset, instead of listing them")(
      "all", "with --kill: every connection");
  add_admin_options(options, true);
  const auto values =
      parse_options({"connections", "[--listener NAME] [--client PREFIX]… [--kill] [--json]",
                     "Lists the connections of the running program, or ends some. All filters that are given "
                     "must match."},
                    options, arguments);
  if (!values) return values.error();
  auto client = AdminClient::from_options(*values);
  if (!client) return report_usage_error("connections", client.error());
  const bool kills = values->contains("kill");
  if (const auto* state = option_value<std::string>(*values, "state")) {
    if (const auto known = check_choice("--state", *state, connection_states); !known) {
      return report_usage_error("connections", known.error());
    }
  }
  const std::string query = query_of(*values);
  const bool is_deliberate =
      values->contains("all") || std::ranges::any_of(filters, [&](const Filter& filter) {
        return filter.name != std::string_view("limit") && values->contains(filter.name);
      });
  if (kills && !is_deliberate) {
    return report_usage_error("connections", "--kill needs to know which: give a filter, or --all");
  }
  const auto answer = kills ? client->post("/connections/kill" + query, "killed")
                            : client->get("/connections" + query, "connections");
  if (!answer) return report_failure("connections", answer.error());
  if (!answer->succeeded()) return report_refusal("connections", *answer);
  if (values->contains("json")) {
    fmt::print("{}", answer->body);
  } else if (kills) {
    fmt::print("{} ended\n", Json::parse(answer->body)["killed"].get<std::size_t>());
  } else {
    fmt::print("{}", connections_text(answer->body));
  }
  return exit_code::fine;
}

}  // namespace portshare
