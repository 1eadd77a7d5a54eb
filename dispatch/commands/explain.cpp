#include "dispatch/commands/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options/value_semantic.hpp>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "command_line/command_line.h"
#include "core/suggestion.h"
#include "dispatch/commands/config_option.h"
#include "dispatch/config_names.h"

namespace portshare {
namespace {

namespace po = boost::program_options;

constexpr std::size_t most_candidates = 100;
constexpr std::string_view usage_text =
    "-c FILE --listener L [--destination A:P] [--source A] [--sni N | --host N] [--alpn P]... [--protocol P]";

/// A connection as the options describe it. Owns what the RouteQuery only views.
struct Connection {
  std::optional<IpEndpoint> destination;
  std::optional<IpAddress> source;
  std::optional<Protocol> protocol;  // none: the options do not tell
  std::optional<HostName> name;
  NameSource name_source = NameSource::either;
  std::vector<std::uint8_t> alpn;

  [[nodiscard]] RouteQuery query(Protocol assumed) const {
    RouteQuery query;
    query.destination = destination;
    query.source = source;
    query.protocol = assumed;
    if (name) query.name = name->view();
    query.name_source = name_source;
    query.name_is_address = name && name->is_address() && name_source == NameSource::sni;
    query.alpn = alpn;
    return query;
  }
};

/// What the client sees if no route takes it.
std::string_view refusal_text(Protocol protocol) {
  switch (protocol) {
    case Protocol::tls:
      return "alert unrecognized_name";
    case Protocol::http:
      return "status 421";
    default:
      return "reset";
  }
}

/// All names, for people.
std::string protocol_names() {
  std::string names;
  for (const Protocol protocol : all_protocols) {
    const std::string_view separator = names.empty() ? "" : protocol == all_protocols.back() ? " or " : ", ";
    names.append(separator).append(to_string(protocol));
  }
  return names;
}

/// What the client says about itself: name, ALPN and protocol have to fit together. The error is for the
/// operator.
std::optional<std::string> read_client(const po::variables_map& values, Connection& connection) {
  const auto* const sni = option_value<std::string>(values, "sni");
  const auto* const host = option_value<std::string>(values, "host");
  if (sni != nullptr && host != nullptr) return "a connection has either --sni or --host";
  if (sni != nullptr || host != nullptr) {
    connection.name_source = sni != nullptr ? NameSource::sni : NameSource::host;
    const auto name = parse_host_name(sni != nullptr ? *sni : *host, connection.name_source);
    if (!name) return name.error();
    connection.name = *name;
    connection.protocol = sni != nullptr ? Protocol::tls : Protocol::http;
  }
  if (const auto* const offered = option_value<std::vector<std::string>>(values, "alpn")) {
    if (host != nullptr) return "--alpn belongs to TLS, --host to HTTP";
    connection.protocol = Protocol::tls;
    for (const auto& protocol : *offered) {
      if (protocol.empty() || protocol.size() > 255) return "--alpn takes a name of 1 to 255 bytes";
      connection.alpn.push_back(static_cast<std::uint8_t>(protocol.size()));
      connection.alpn.insert(connection.alpn.end(), protocol.begin(), protocol.end());
    }
  }
  const auto* const protocol = option_value<std::string>(values, "protocol");
  if (protocol == nullptr) return std::nullopt;
  const auto known = protocol_of(*protocol);
  if (!known) return fmt::format("unknown protocol '{}'; it is {}", *protocol, protocol_names());
  if (connection.protocol && connection.protocol != known) {
    return fmt::format("--protocol {} contradicts the name or ALPN given, which only {} has", *protocol,
                       to_string(*connection.protocol));
  }
  connection.protocol = known;
  return std::nullopt;
}

std::expected<Connection, std::string> read_connection(const po::variables_map& values) {
  Connection connection;
  if (const auto* const text = option_value<std::string>(values, "destination")) {
    connection.destination = IpEndpoint::parse(*text);
    if (!connection.destination) {
      return std::unexpected(fmt::format("--destination '{}' is no ADDRESS:PORT", *text));
    }
  }
  if (const auto* const text = option_value<std::string>(values, "source")) {
    connection.source = IpAddress::parse(*text);
    if (!connection.source) return std::unexpected(fmt::format("--source '{}' is no IP address", *text));
  }
  if (const auto problem = read_client(values, connection)) return std::unexpected(*problem);
  return connection;
}

/// The listener of that name; without a name, the only one.
std::expected<std::uint32_t, std::string> find_listener(const Config& config, const std::string* name) {
  if (name == nullptr) {
    if (config.listeners.size() == 1) return 0;
    return std::unexpected("the file has several listeners; choose one with --listener");
  }
  const auto found = std::ranges::find(config.listeners, *name, &ListenerConfig::name);
  if (found == config.listeners.end()) {
    return std::unexpected(fmt::format("no listener is called '{}'{}", *name,
                                       suggest(*name, config.listeners, &ListenerConfig::name)));
  }
  return static_cast<std::uint32_t>(found - config.listeners.begin());
}

class Explanation {
 public:
  Explanation(const Config& config, std::uint32_t listener, const Connection& connection)
      : config_(config), index_(listener), listener_(config.listeners[listener]), connection_(connection) {}

  void print() const {
    if (connection_.source && !listener_.admits(*connection_.source)) {
      fmt::print("{}:{}: listener '{}' denies the source {}: reset, without a look at the routes\n",
                 config_.file, listener_.line, listener_.name, connection_.source->to_string());
      return;
    }
    if (connection_.destination && listener_.excepts(connection_.destination->address)) {
      fmt::print("{}:{}: listener '{}' leaves {} to others ('except'): no such connection arrives\n",
                 config_.file, listener_.line, listener_.name, connection_.destination->address.to_string());
      return;
    }
    const auto protocol = protocol_seen();
    if (protocol) print_candidates(*protocol);
  }

 private:
  /// What the listener takes the connection for; empty: it takes no such connection, and that is printed.
  [[nodiscard]] std::optional<Protocol> protocol_seen() const {
    if (!listener_.reads_first_flight()) {
      if (connection_.protocol) {
        fmt::print(
            "note: listener '{}' routes by address alone (protocols = []): what the client sends is not "
            "looked at\n",
            listener_.name);
      }
      return Protocol::any;
    }
    const auto accepts = [&](Protocol protocol) { return listener_.protocols.contains(protocol); };
    if (!connection_.protocol) {
      const Protocol assumed = *std::ranges::find_if(all_protocols, accepts);
      if (std::ranges::count_if(all_protocols, accepts) > 1) {
        fmt::print("note: no --sni, --host or --protocol given: taken for {} without a name\n",
                   to_string(assumed));
      }
      return assumed;
    }
    const Protocol said = *connection_.protocol;
    if (accepts(said)) return said;
    if (accepts(Protocol::any)) {
      fmt::print("note: listener '{}' does not look for {}: routed as protocol any, without a name\n",
                 listener_.name, to_string(said));
      return Protocol::any;
    }
    fmt::print(
        "{}:{}: listener '{}' does not accept {}: refused as malformed, without a look at the routes\n",
        config_.file, listener_.line, listener_.name, to_string(said));
    return std::nullopt;
  }

  [[nodiscard]] bool applies(const RouteRule& rule) const {
    return rule.listeners.empty() || std::ranges::find(rule.listeners, index_) != rule.listeners.end();
  }

  void print_candidates(Protocol protocol) const {
    const auto asks_for_destination = [&](const RouteRule& rule) {
      return applies(rule) && !rule.destinations.empty();
    };
    if (!connection_.destination && std::ranges::any_of(config_.rules, asks_for_destination)) {
      fmt::print("note: no --destination given: taken for a connection to a unix socket\n");
    }
    RouteQuery query = connection_.query(protocol);
    if (protocol == Protocol::any) {  // then nobody read the name
      query.name = {};
      query.name_is_address = false;
      query.alpn = {};
    }
    const auto candidates = config_.routes.explain(index_, query, config_.rules, most_candidates);
    if (candidates.empty() || !candidates.front().won) print_fallback(protocol);
    for (const RouteCandidate& candidate : candidates) {
      const RouteRule& rule = config_.rules[candidate.rule];
      const std::string target = rule.backend == RouteRule::reject
                                     ? std::string("reject")
                                     : fmt::format("backend '{}'", config_.backends[rule.backend].name);
      fmt::print("{}:{}: {} {}: {}\n", config_.file, rule.line, candidate.won ? "wins:" : "loses:", target,
                 candidate.reason);
    }
    const auto total = static_cast<std::size_t>(
        std::ranges::count_if(config_.rules, [&](const RouteRule& rule) { return applies(rule); }));
    if (total > candidates.size()) {
      fmt::print("{} more routes of listener '{}' lose\n", total - candidates.size(), listener_.name);
    }
  }

  void print_fallback(Protocol protocol) const {
    fmt::print("{}:{}: no route wins: ", config_.file, listener_.line);
    if (listener_.default_backend) {
      fmt::print("default backend '{}' of listener '{}'\n", config_.backends[*listener_.default_backend].name,
                 listener_.name);
    } else {
      fmt::print("listener '{}' has no default and refuses the connection ({})\n", listener_.name,
                 refusal_text(protocol));
    }
  }

  const Config& config_;
  std::uint32_t index_;
  const ListenerConfig& listener_;
  const Connection& connection_;
};

po::options_description explain_options() {
  po::options_description options("Options");
  add_config_option(options);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  options.add_options()("listener", text("L"),
                        "where the connection arrives; may be left out if there is one")(
      "destination", text("A:P"), "the address and port that the client connects to")(
      "source", text("A"), "the client's address")("sni", text("N"), "a TLS connection for this name")(
      "host", text("N"), "an HTTP request for this name")(
      "alpn", po::value<std::vector<std::string>>()->value_name("P"),
      "a protocol that the TLS client offers; repeat it in the client's order")(
      "protocol", text("P"), "as in the file's `protocols`; follows from --sni, --host and --alpn");
  return options;
}

}  // namespace

int explain_command(std::span<const std::string> arguments) {
  const auto values =
      parse_options({"explain", usage_text,
                     "Says which route a connection would take, and why each other one would not get it."},
                    explain_options(), arguments);
  if (!values) return values.error();
  const auto connection = read_connection(*values);
  if (!connection) return report_usage_error("explain", connection.error());
  const auto config = load_config(*values);
  if (!config) return exit_code::usage;
  const auto listener = find_listener(*config, option_value<std::string>(*values, "listener"));
  if (!listener) return report_usage_error("explain", listener.error());
  Explanation(*config, *listener, *connection).print();
  return exit_code::fine;
}

}  // namespace portshare
