#include "dispatch/commands/who.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options/value_semantic.hpp>
#include <expected>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "command_line/command_line.h"
#include "dispatch/port_owner_report.h"
#include "platform/port_owner.h"
#include "platform/terminal.h"

namespace portshare {
namespace {

namespace po = boost::program_options;

/// "80", "*:80", "192.0.2.1:80" or "[::1]:80".
std::expected<PortQuery, std::string> parse_query(std::string_view text) {
  PortQuery query;
  const bool has_wildcard = text.starts_with("*:");
  if (const auto port = parse_port(has_wildcard ? text.substr(2) : text)) {
    query.port = *port;
  } else if (const auto endpoint = IpEndpoint::parse(text)) {
    query = {.address = endpoint->address, .port = endpoint->port};
  } else {
    return std::unexpected(fmt::format("'{}' is no PORT (1 to 65535) and no ADDRESS:PORT", text));
  }
  if (query.port == 0) return std::unexpected(fmt::format("'{}': nobody can hold port 0", text));
  return query;
}

bool is_held(const PortOwners& found, const PortQuery& query) {
  return std::ranges::any_of(found.owners,
                             [&](const PortOwner& owner) { return query.covers(owner.socket); }) ||
         std::ranges::any_of(found.connections, [&](const ConnectionCount& count) {
           return count.port == query.port && count.open > 0;
         });
}

}  // namespace

int who_command(std::span<const std::string> arguments) {
  po::options_description options("Options");
  options.add_options()("port", po::value<std::vector<std::string>>()->value_name("[A:]PORT"),
                        "a port, of one address or of all; may stand alone")("json", "for scripts");
  const auto values = parse_options(
      {.name = "who",
       .synopsis = "[ADDRESS:]PORT...",
       .purpose = "Says who holds a port, of TCP and UDP: address, process, user, service or container. Exit "
                  "code 1 if nobody does.",
       .positional = "port"},
      options, arguments);
  if (!values) return values.error();
  const auto* const words = option_value<std::vector<std::string>>(*values, "port");
  if (words == nullptr) return report_usage_error("who", "which port?");
  std::vector<PortQuery> queries;
  for (const std::string& word : *words) {
    const auto query = parse_query(word);
    if (!query) return report_usage_error("who", query.error());
    queries.push_back(*query);
  }
  const auto found = find_port_owners(queries, SearchedNamespaces::all);
  if (!found) {
    fmt::print(stderr, "portshare who: {}\n", found.error());
    return exit_code::failed;
  }
  std::vector<std::string_view> free_ones;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (!is_held(*found, queries[i])) free_ones.push_back((*words)[i]);
  }
  if (values->contains("json")) {
    fmt::print("{}\n", to_json(*found).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{}", port_owners_table(*found, stdout_columns()));
    for (const std::string_view word : free_ones) fmt::print("nobody holds {}\n", word);
  }
  return free_ones.size() == queries.size() ? exit_code::failed : exit_code::fine;
}

}  // namespace portshare
