// The configuration file as the program uses it: every value checked, every name resolved to an index, every
// duration and size a number. Written by config_reader, read by everybody else; immutable once it is
// complete.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/ip_address.h"
#include "core/protocol.h"
#include "core/route_table.h"
#include "core/socket_address.h"
#include "core/source_table.h"
#include "dispatch/diagnostics.h"

namespace portshare {

enum class EngineChoice : std::uint8_t { automatic, io_uring, epoll };
enum class LogLevel : std::uint8_t { debug, info, warning, error };
enum class AccessLogFormat : std::uint8_t { json, text };

struct LogConfig {
  LogLevel level = LogLevel::info;
  enum class AccessTarget : std::uint8_t { off, standard_error, file };
  AccessTarget access = AccessTarget::standard_error;
  std::string access_path;  ///< only for `file`
  AccessLogFormat format = AccessLogFormat::json;
};

/// Where commands reach the running program: a unix socket for this user alone.
struct AdminConfig {
  static constexpr const char* default_path = "/run/portshare.sock";

  std::optional<SocketAddress> address =
      SocketAddress{.ip = std::nullopt, .unix_path = default_path};  ///< none: "off"
  bool is_default = true;                                            ///< nobody asked for it, so it may fail
};

struct ServerConfig {
  std::uint32_t workers = 0;  ///< 0: one per CPU that the process may use
  EngineChoice engine = EngineChoice::automatic;
  LogConfig log;
  AdminConfig admin;
  std::optional<SocketAddress> monitor;  ///< of the dashboard and the metrics
  std::string user;  ///< to run as once everything is bound; empty: as who started the program
  std::chrono::milliseconds shutdown_timeout{30'000};
};

/// Whether the connections of a listener begin with a PROXY header (core/proxy_header.h).
enum class ProxyHeaderPolicy : std::uint8_t { off, accept, require };
/// What a server is sent before anything else.
enum class ProxyHeaderVersion : std::uint8_t { off, v1, v2 };

struct ListenerConfig {
  std::string name;
  std::uint32_t line = 0;
  std::vector<SocketAddress> bind;          ///< "*:80" is two of them
  std::vector<std::string> passed_sockets;  ///< their names; "systemd:NAME"
  std::vector<IpAddress> except;            ///< of its wildcards; see dispatch/wildcard.h
  [[nodiscard]] bool excepts(const IpAddress& address) const {
    return std::ranges::find(except, address) != except.end();
  }
  /// Whether an address of `bind` is a wildcard that stands for single addresses, which come and go.
  [[nodiscard]] bool expands(const SocketAddress& address) const {
    return !except.empty() && address.ip && address.ip->address.is_unspecified();
  }
  ProtocolSet protocols{Protocol::tls, Protocol::http};  ///< with `any`, also bytes that nobody claims
  [[nodiscard]] bool reads_first_flight() const { return !protocols.empty(); }
  std::optional<std::uint32_t> default_backend;  ///< index into Config::backends
  std::optional<std::uint32_t> silent_backend;
  ProxyHeaderPolicy proxy_header = ProxyHeaderPolicy::off;
  std::vector<IpPrefix> trusted;  ///< whose header is believed; empty: everybody's
  [[nodiscard]] bool trusts(const IpAddress& peer) const;
  std::vector<std::uint32_t>
      backends;                 ///< to which any rule leads, these two among them; see summarise_rules
  std::vector<IpPrefix> allow;  ///< empty: everybody
  std::vector<IpPrefix> deny;
  /// May this source connect at all? `deny` wins over `allow`.
  [[nodiscard]] bool admits(const IpAddress& source) const;
  bool routes_look_at_source = false;  ///< of any route for this listener; see summarise_rules
  bool routes_look_at_destination = false;
  std::chrono::milliseconds first_flight_timeout{5'000};  ///< zero: none
  std::size_t first_flight_limit = std::size_t{64} * 1024;
  std::chrono::milliseconds idle_timeout{600'000};  ///< zero: none
  std::uint32_t max_connections = 0;                ///< 0: no limit
  SourceLimits source_limits;
  [[nodiscard]] bool has_limits() const { return max_connections != 0 || source_limits.any(); }
  /// How long the system keeps a client that says nothing from us, which spares a wake-up for each of the
  /// others. Not where somebody waits for the silent ones (`silent`), where they count (limits), where the
  /// time matters, nor on a unix socket, of which the system gives all, nor on one from the service manager,
  /// which may be a unix socket and has its own say about it.
  static constexpr std::chrono::seconds accept_deferral{1};
  [[nodiscard]] bool defers_accept() const {
    const bool has_time = first_flight_timeout.count() <= 0 || first_flight_timeout >= 3 * accept_deferral;
    const bool is_tcp = std::ranges::all_of(bind, [](const SocketAddress& at) { return at.ip.has_value(); });
    return reads_first_flight() && !silent_backend && !has_limits() && has_time && is_tcp &&
           passed_sockets.empty();
  }
};

/// A server as the file names it. A host name is looked up at start (resolver) and may become several
/// addresses.
struct ServerAddress {
  std::optional<SocketAddress> address;  ///< none: `host` has to be resolved
  std::string host;
  std::uint16_t port = 0;
  std::string text;  ///< as the file has it, for logs
  FilePosition position;
  std::uint32_t weight = 1;  ///< its share of the connections, against those of the others
  bool is_backup = false;    ///< gets connections only while no other server can
};

/// Who gets the next connection of a backend.
enum class Balance : std::uint8_t { round_robin, least_connections, source_hash };

/// How the servers of a backend are asked whether they live.
struct HealthConfig {
  enum class Kind : std::uint8_t {
    tcp,   ///< a connect
    http,  ///< a GET, whose status counts
    tls,   ///< a ClientHello, which is to be answered with a ServerHello
  };
  Kind kind = Kind::tcp;
  std::chrono::milliseconds interval{2'000};  ///< from the end of a check to the next one's beginning
  std::chrono::milliseconds timeout{1'000};   ///< for the whole check
  std::uint32_t rise = 2;                     ///< checks in a row that bring a server back
  std::uint32_t fall = 3;                     ///< and that take it out
  // Only for `http`.
  std::string path = "/";
  std::uint32_t lowest_status = 200;
  std::uint32_t highest_status = 299;

  bool operator==(const HealthConfig&) const = default;
};

struct BackendConfig {
  std::string name;
  std::uint32_t line = 0;
  std::vector<ServerAddress> servers;
  Balance balance = Balance::round_robin;
  std::uint32_t max_connections = 0;   ///< of each server; 0: no limit
  std::optional<HealthConfig> health;  ///< none: servers are judged by the connects of clients alone
  /// How often host names are looked up again; zero: never. None: the file says nothing, see
  /// resolve_interval().
  std::optional<std::chrono::milliseconds> resolve;
  static constexpr std::chrono::milliseconds default_resolve_interval{30'000};
  [[nodiscard]] std::chrono::milliseconds resolve_interval() const {
    return resolve.value_or(default_resolve_interval);
  }
  bool is_transparent = false;  ///< connects to the servers from the client's own address
  std::chrono::milliseconds connect_timeout{3'000};
  std::uint32_t retries = 2;
  ProxyHeaderVersion proxy_header = ProxyHeaderVersion::off;
  bool forwarded = false;  ///< HTTP/1: tell the server the client's address in X-Forwarded-For and Forwarded
};

/// A route in words, for status and metrics.
struct RouteSummary {
  /// Of a configuration with more routes only so many are listed, and none is counted.
  static constexpr std::size_t most_listed = 1'000;

  std::uint32_t line = 0;
  std::string matchers;
  std::vector<std::uint32_t> listeners;  ///< indices; empty: every listener
  std::uint32_t backend = RouteRule::reject;
  std::uint64_t digest = 0;  ///< of all of the rule: config_difference
};

struct Config {
  std::string file;  ///< as given on the command line; routes are named FILE:LINE in the access log
  ServerConfig server;
  std::vector<ListenerConfig> listeners;
  std::vector<BackendConfig> backends;
  std::vector<RouteRule> rules;  ///< for explain; the data path uses `routes`, and may do without these
  std::vector<std::uint64_t> rule_digests;  ///< instead of them, for the next reload: config_difference
  std::size_t route_count = 0;
  std::vector<RouteSummary> route_summaries = {};  ///< of the first RouteSummary::most_listed
  RouteTable routes;
};

/// Notes at each listener what its rules look at, so that connections are asked for nothing else, and where
/// they lead; and what the rules are, in words. Part of completing a Config.
void summarise_rules(Config& config);

}  // namespace portshare
