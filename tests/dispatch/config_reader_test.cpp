#include "dispatch/config_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dispatch/config_text.h"

namespace portshare {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;
using namespace std::chrono_literals;

Config read_valid(const std::string& text) {
  ConfigResult result = read_config(text, "f");
  EXPECT_THAT(faults_of(text), IsEmpty());
  return result.config ? std::move(*result.config) : Config();
}

TEST(ConfigReader, SmallestConfigGetsAllDefaults) {
  const Config config = read_valid(with_basics(""));
  EXPECT_EQ(config.file, "f");
  EXPECT_EQ(config.server.workers, 0U);
  EXPECT_EQ(config.server.engine, EngineChoice::automatic);
  EXPECT_EQ(config.server.shutdown_timeout, 30s);
  EXPECT_EQ(config.server.log.level, LogLevel::info);
  EXPECT_EQ(config.server.log.access, LogConfig::AccessTarget::standard_error);
  ASSERT_THAT(config.listeners, SizeIs(1));
  const ListenerConfig& listener = config.listeners[0];
  EXPECT_EQ(listener.name, "l");
  EXPECT_EQ(listener.line, 1U);
  ASSERT_THAT(listener.bind, SizeIs(1));
  EXPECT_EQ(listener.bind[0].to_string(), "127.0.0.1:80");
  EXPECT_EQ(listener.protocols, (ProtocolSet{Protocol::tls, Protocol::http}));
  EXPECT_EQ(listener.default_backend, 0U);
  EXPECT_EQ(listener.silent_backend, std::nullopt);
  EXPECT_EQ(listener.first_flight_limit, 65536U);
  EXPECT_FALSE(listener.has_limits());
  ASSERT_THAT(config.backends, SizeIs(1));
  EXPECT_EQ(config.backends[0].connect_timeout, 3s);
  EXPECT_EQ(config.backends[0].retries, 2U);
}

TEST(ConfigReader, FillsEverySupportedKey) {
  const Config config = read_valid(R"(
[server]
workers = 3
engine = "epoll"
log = { level = "warn", access = "/var/log/access.log", format = "text" }
shutdown_timeout = "250ms"
[listener.web]
bind = ["*:443", "unix:/run/web.sock"]
protocols = ["ssh", "any"]
default = "b"
silent = "a"
allow = ["0.0.0.0/0"]
deny = ["198.51.100.0/24"]
first_flight_timeout = "1s"
first_flight_limit = "2KiB"
idle_timeout = "0s"
max_connections = 10000
max_connections_per_source = 20
new_connections_per_source = "30/m"
[[route]]
listener = ["web"]
destination = ["192.0.2.20", "198.51.100.0/24", "192.0.2.21:8443", "[2001:db8::1]:80"]
source = ["10.1.0.0/16"]
protocol = ["ssh", "any"]
to = "b"
[[route]]
listener = ["web"]
protocol = ["any"]
reject = true
[backend.b]
servers = ["127.0.0.1:8001", "App.internal.:8001", "unix:/run/b.sock", { address = "[::1]:8002", weight = 1, backup = false }]
connect_timeout = "10m"
retries = 0
[backend.a]
servers = ["localhost:22"]
)");
  EXPECT_EQ(config.server.workers, 3U);
  EXPECT_EQ(config.server.engine, EngineChoice::epoll);
  EXPECT_EQ(config.server.log.level, LogLevel::warning);
  EXPECT_EQ(config.server.log.access, LogConfig::AccessTarget::file);
  EXPECT_EQ(config.server.log.access_path, "/var/log/access.log");
  EXPECT_EQ(config.server.log.format, AccessLogFormat::text);
  EXPECT_EQ(config.server.shutdown_timeout, 250ms);

  ASSERT_THAT(config.listeners, SizeIs(1));
  const ListenerConfig& listener = config.listeners[0];
  std::vector<std::string> bind;
  bind.reserve(listener.bind.size());
  for (const SocketAddress& address : listener.bind) bind.push_back(address.to_string());
  EXPECT_THAT(bind, ElementsAre("0.0.0.0:443", "[::]:443", "unix:/run/web.sock"));
  EXPECT_EQ(listener.protocols, (ProtocolSet{Protocol::ssh, Protocol::any}));
  EXPECT_EQ(listener.default_backend, 0U);  // in the order of the file, not of the alphabet
  EXPECT_EQ(listener.silent_backend, 1U);
  EXPECT_EQ(listener.first_flight_timeout, 1s);
  EXPECT_EQ(listener.first_flight_limit, 2048U);
  EXPECT_EQ(listener.idle_timeout, 0s);
  EXPECT_EQ(listener.max_connections, 10'000U);
  EXPECT_EQ(listener.source_limits.max_open, 20U);
  EXPECT_EQ(listener.source_limits.new_connections, (Rate{.count = 30, .period = 60s}));
  EXPECT_TRUE(listener.has_limits());
  EXPECT_TRUE(listener.admits(*IpAddress::parse("192.0.2.1")));
  EXPECT_FALSE(listener.admits(*IpAddress::parse("198.51.100.7")));
  EXPECT_FALSE(listener.admits(*IpAddress::parse("2001:db8::1")));

  ASSERT_THAT(config.rules, SizeIs(2));
  const RouteRule& rule = config.rules[0];
  EXPECT_EQ(rule.line, 20U);
  EXPECT_THAT(rule.listeners, ElementsAre(0U));
  ASSERT_THAT(rule.destinations, SizeIs(4));
  EXPECT_EQ(rule.destinations[1].prefix.to_string(), "198.51.100.0/24");
  EXPECT_EQ(rule.destinations[2].port, 8443);
  EXPECT_EQ(rule.destinations[3].prefix.to_string(), "2001:db8::1");
  ASSERT_THAT(rule.sources, SizeIs(1));
  EXPECT_EQ(rule.sources[0].to_string(), "10.1.0.0/16");
  EXPECT_THAT(rule.protocols, ElementsAre(Protocol::ssh, Protocol::any));
  EXPECT_EQ(rule.backend, 0U);
  EXPECT_EQ(config.rules[1].backend, RouteRule::reject);

  ASSERT_THAT(config.backends, SizeIs(2));
  EXPECT_EQ(config.backends[1].name, "a");
  const auto& servers = config.backends[0].servers;
  ASSERT_THAT(servers, SizeIs(4));
  EXPECT_EQ(servers[0].address->to_string(), "127.0.0.1:8001");
  EXPECT_EQ(servers[1].address, std::nullopt);
  EXPECT_EQ(servers[1].host, "app.internal");
  EXPECT_EQ(servers[1].port, 8001);
  EXPECT_EQ(servers[1].text, "App.internal.:8001");
  EXPECT_EQ(servers[1].position.line, 31U);
  EXPECT_EQ(servers[2].address->to_string(), "unix:/run/b.sock");
  EXPECT_EQ(servers[3].address->to_string(), "[::1]:8002");
}

TEST(ConfigReader, NoProtocolsMeansNoFirstFlight) {
  const Config config = read_valid(
      "[listener.l]\nbind = [\"*:80\"]\nprotocols = []\ndefault = \"b\"\n[backend.b]\nservers = "
      "[\"[::1]:1\"]\n");
  ASSERT_THAT(config.listeners, SizeIs(1));
  EXPECT_FALSE(config.listeners[0].reads_first_flight());
}

TEST(ConfigReader, ReadsNamesIntoTheirComparedForm) {
  const Config config = read_valid(
      with_basics("[[route]]\nname = [\"Bücher.Example.\", \"*.MÜNCHEN.de\", \"WWW.example.com:8443\", "
                  "\"~^api[0-9]+\\\\.\"]\nto = \"b\"\n[[route]]\nhost = [\"192.0.2.1\"]\nto = \"b\"\n"));
  ASSERT_THAT(config.rules, SizeIs(2));
  const auto& names = config.rules[0].names;
  ASSERT_THAT(names, SizeIs(4));
  EXPECT_EQ(names[0].text, "xn--bcher-kva.example");
  EXPECT_EQ(names[1].kind, NameMatcher::Kind::wildcard);
  EXPECT_EQ(names[1].text, "xn--mnchen-3ya.de");
  EXPECT_EQ(names[2].text, "www.example.com");
  ASSERT_EQ(names[3].kind, NameMatcher::Kind::pattern);
  EXPECT_EQ(names[3].pattern->text(), "~^api[0-9]+\\.");
  EXPECT_TRUE(names[3].pattern->matches("api7.example.com"));
  EXPECT_FALSE(names[3].pattern->matches("an.api7.example.com"));
  EXPECT_EQ(config.rules[1].name_source, NameSource::host);
  EXPECT_EQ(config.rules[1].names[0].text, "192.0.2.1");
}

TEST(ConfigReader, ReportsAllFaultsInTheOrderOfTheFile) {
  EXPECT_THAT(
      faults_of(R"([server]
workers = "4"
engin = "epoll"
shutdown_timeout = 30

[listener.web]
bind = ["*:8080"]
default = "wbe"

[[route]]
lisener = ["web"]
to = "web"

[backend.web]
servers = ["127.0.0.1:80"]
retries = -1
)"),
      ElementsAre("2:11: error: 'workers' must be an integer, not a string",
                  "3:1: error: unknown key 'engin' in [server]; did you mean 'engine'?",
                  "4:20: error: 'shutdown_timeout' must be a duration, not an integer; write \"30s\" or "
                  "\"30ms\"",
                  "8:11: error: no backend is called 'wbe'; did you mean 'web'?",
                  "11:1: error: unknown key 'lisener' in [[route]]; did you mean 'listener'?",
                  "16:11: error: 'retries' is -1; it must be 0 to 100"));
}

TEST(ConfigReader, SyntaxErrorHasItsPlace) {
  const auto faults = faults_of("[server]\nworkers = = 1\n");
  ASSERT_THAT(faults, SizeIs(1));
  EXPECT_THAT(faults[0], StartsWith("2:11: error: "));
}

TEST(ConfigReader, IllegalTableHeadersAreErrorsToo) {
  for (const char* header : {"[*]", "[=]", "[[%]]", "[]", "[", "[[", "[a.]", "[.a]", "[\"", "[a]]"}) {
    EXPECT_THAT(faults_of(header), ElementsAre(HasSubstr(": error: "))) << header;
  }
}

TEST(ConfigReader, OtherThanAsciiBelongsInQuotes) {
  for (const char* text : {"ü = 1", "[ü]", "x = ü", "x = 1 ü", "x = [ü]", "ü"}) {
    EXPECT_THAT(faults_of(text), ElementsAre(HasSubstr(": error: "))) << text;
  }
  EXPECT_THAT(faults_of("\"lü\" = \"\"\"\\\n ü\"\"\"  # ü"),
              ElementsAre(StartsWith("1:1: error: the file has no listener"),
                          StartsWith("1:1: error: unknown key 'lü' in the file")));
}

TEST(ConfigReader, KeyGivenTwiceIsAnError) {
  const auto faults = faults_of("[server]\nworkers = 1\nworkers = 2\n");
  ASSERT_THAT(faults, SizeIs(1));
  EXPECT_THAT(faults[0], StartsWith("3:"));
}

TEST(ConfigReader, ValuesInsideArraysHaveTheirOwnPlace) {
  EXPECT_THAT(
      faults_of(with_basics("[[route]]\nname = [\"a.example\", \"b..example\", 5]\nto = \"b\"")),
      ElementsAre("3:22: error: 'name': 'b..example' is no host name: letters, digits, '-', '_' and single "
                  "dots between them",
                  "3:36: error: 'name' must contain strings only, not an integer"));
}

TEST(ConfigReader, SectionsMustHaveTheirShape) {
  EXPECT_THAT(faults_of(with_basics("[routes]")),
              ElementsAre("2:2: error: unknown key 'routes' in the file; did you mean 'route'?"));
  EXPECT_THAT(faults_of(with_basics("[route]\nto = \"b\"")),
              ElementsAre("2:1: error: 'route' must be an array of tables; write [[route]]"));
  EXPECT_THAT(faults_of("route = [1]\n" + with_basics("")),
              ElementsAre("1:10: error: a route must be a table, not an integer"));
  EXPECT_THAT(faults_of("server = 1\nbackend.c = 1\nlistener.m = 1\n" + with_basics("")),
              ElementsAre("1:10: error: 'server' must be a table, not an integer",
                          "2:9: error: [backend.c] must be a table, not an integer",
                          "2:9: warning: nothing uses the backend 'c'",
                          "3:10: error: [listener.m] must be a table, not an integer",
                          "3:10: warning: the listener 'm' refuses every connection: it has no route and no "
                          "default"));
}

TEST(ConfigReader, ALonelyStringIsNoArray) {
  EXPECT_THAT(
      faults_of("[listener.l]\nbind = \"*:80\"\ndefault = \"b\"\n[backend.b]\nservers = [\"[::1]:1\"]"),
      ElementsAre("2:8: error: 'bind' must be an array, not a string; write bind = [\"*:80\"]"));
}

TEST(ConfigReader, ListenersAreRequired) {
  EXPECT_THAT(faults_of(""), ElementsAre(AllOf(StartsWith("1:1: error: "), HasSubstr("no listener"))));
  EXPECT_THAT(faults_of("[listener.l]\ndefault = \"b\"\n[backend.b]\nservers = [\"[::1]:1\"]"),
              ElementsAre("1:11: error: [listener.l] has no 'bind'; write bind = [\"*:443\"], say"));
}

TEST(ConfigReader, AnAddressCanBeBoundOnce) {
  EXPECT_THAT(faults_of(R"([listener.a]
bind = ["*:80", "unix:/a", "[::]:81"]
default = "b"
[listener.b]
bind = ["0.0.0.0:80", "unix:/a", "127.0.0.1:80", "*:81"]
default = "b"
[backend.b]
servers = ["127.0.0.1:8080"]
)"),
              ElementsAre("5:9: error: 'bind': '0.0.0.0:80' is already bound at line 2",
                          "5:23: error: 'bind': 'unix:/a' is already bound at line 2",
                          "5:34: error: 'bind': '127.0.0.1:80' cannot be bound beside '0.0.0.0:80' at line "
                          "2: the wildcard takes the port on every address",
                          "5:50: error: 'bind': '[::]:81' (of '*:81') is already bound at line 2"));
}

TEST(ConfigReader, TheMonitorAndTheAdminSocketAreBoundBesideTheListeners) {
  const auto faults = [](std::string_view server) {
    return faults_of(fmt::format(R"([server]
{}
[listener.l]
bind = ["127.0.0.1:80", "unix:/a", "[::]:81"]
default = "b"
[backend.b]
servers = ["127.0.0.1:8080"]
)",
                                 server));
  };
  EXPECT_THAT(faults("monitor = \"127.0.0.1:80\""),
              ElementsAre("2:11: error: 'monitor': '127.0.0.1:80' is already bound at line 4"));
  EXPECT_THAT(
      faults("monitor = \"0.0.0.0:80\""),
      ElementsAre("2:11: error: 'monitor': '0.0.0.0:80' cannot be bound beside '127.0.0.1:80' at line 4: "
                  "the wildcard takes the port on every address"));
  EXPECT_THAT(faults("monitor = \"[::1]:81\""),
              ElementsAre("2:11: error: 'monitor': '[::1]:81' cannot be bound beside '[::]:81' at line 4: "
                          "the wildcard takes the port on every address"));
  EXPECT_THAT(faults("admin = \"unix:/a\""),
              ElementsAre("2:9: error: 'admin': 'unix:/a' is already bound at line 4"));
  EXPECT_THAT(faults("admin = \"unix:/b\"\nmonitor = \"unix:/b\"").size(), 1U);
  EXPECT_THAT(faults("monitor = \"127.0.0.1:81\""), ElementsAre());
}

TEST(ConfigReader, ASocketFromSystemdServesOneListener) {
  const std::string text = R"([listener.a]
bind = ["systemd:web", "127.0.0.1:80", "systemd:web.socket"]
default = "b"
[backend.b]
servers = ["127.0.0.1:8080"]
)";
  const Config config = read_valid(text);
  EXPECT_THAT(config.listeners[0].passed_sockets, ElementsAre("web", "web.socket"));
  EXPECT_THAT(config.listeners[0].bind, SizeIs(1));
  EXPECT_FALSE(config.listeners[0].defers_accept())
      << "how its sockets wait is for the service manager to say";
  EXPECT_THAT(faults_of(text + "[listener.b]\nbind = [\"systemd:web\", \"systemd:\"]\ndefault = \"b\"\n"),
              ElementsAre("7:9: error: 'bind': 'systemd:web' is already listened on at line 2",
                          "7:24: error: 'bind': 'systemd:' without the name of a socket"));
}

TEST(ConfigReader, TheUserToRunAs) {
  EXPECT_EQ(read_valid(with_basics("")).server.user, "");
  EXPECT_EQ(read_valid(with_basics("server.user = \"nobody\"")).server.user, "nobody");
  EXPECT_THAT(faults_of(with_basics("server.user = \"\"")), SizeIs(1));
}

TEST(ConfigReader, APortThatTheSystemChoosesMayBeBoundTwice) {
  const Config config = read_valid(
      "[listener.l]\nbind = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\ndefault = \"b\"\n[backend.b]\nservers = "
      "[\"[::1]:1\"]");
  ASSERT_THAT(config.listeners, SizeIs(1));
  EXPECT_THAT(config.listeners[0].bind, SizeIs(2));
}

TEST(ConfigReader, ListenerValues) {
  const auto faults = [](std::string_view line) {
    return faults_of(
        fmt::format("[listener.l]\nbind = [\"*:80\"]\ndefault = \"b\"\n{}\n[backend.b]\nservers = "
                    "[\"[::1]:1\"]",
                    line));
  };
  EXPECT_THAT(faults("protocols = [\"tls\", \"htp\", \"tls\"]"),
              ElementsAre("4:21: error: 'protocols': unknown value 'htp'; did you mean 'http'?",
                          "4:28: error: 'protocols': 'tls' stands there twice"));
  EXPECT_THAT(
      faults("protocols = [\"quic\"]"),
      ElementsAre("4:14: error: 'protocols': unknown value 'quic'; it is one of \"tls\", \"http\", "
                  "\"ssh\", \"rdp\", \"openvpn\", \"socks\", \"postgresql\", \"mqtt\", \"xmpp\", \"any\""));
  EXPECT_THAT(faults("protocols = [\"rdp\", \"openvpn\", \"socks\", \"postgresql\", \"mqtt\", \"xmpp\"]"),
              IsEmpty());
  EXPECT_THAT(faults("allow = []"), ElementsAre("4:9: error: 'allow' is empty; fill it or leave it out"));
  EXPECT_THAT(faults("deny = []"), IsEmpty());
  EXPECT_THAT(faults("first_flight_limit = \"1023B\""),
              ElementsAre("4:22: error: 'first_flight_limit' is 1023B; it must be 1KiB to 1MiB"));
  EXPECT_THAT(faults("first_flight_limit = 1048577"),
              ElementsAre("4:22: error: 'first_flight_limit' is 1048577B; it must be 1KiB to 1MiB"));
  EXPECT_THAT(faults("first_flight_limit = 4096"), IsEmpty());
  EXPECT_THAT(faults("max_connections = -1"),
              ElementsAre("4:19: error: 'max_connections' is -1; it must be 0 to 4294967295"));
  EXPECT_THAT(faults("max_connections_per_source = \"9\""),
              ElementsAre("4:30: error: 'max_connections_per_source' must be an integer, not a string"));
  EXPECT_THAT(faults("max_conections = 9"), ElementsAre(HasSubstr("did you mean 'max_connections'")));
  EXPECT_THAT(faults("new_connections_per_source = 100"),
              ElementsAre("4:30: error: 'new_connections_per_source' must be a string, not an integer"));
  EXPECT_THAT(
      faults("new_connections_per_source = \"100/day\""),
      ElementsAre("4:30: error: 'new_connections_per_source' is no rate: '100/day'; write a whole number "
                  "per second, minute or hour, such as \"100/s\", \"10/m\" or \"5/h\""));
  EXPECT_THAT(
      faults("new_connections_per_source = \"1000001/m\""),
      ElementsAre("4:30: error: 'new_connections_per_source' is too high: '1000001/m'; the highest rate is "
                  "1000000/m, and 0/m is no limit"));
  EXPECT_THAT(faults("idle_timeout = \"\""), ElementsAre("4:16: error: 'idle_timeout' must not be empty"));
}

TEST(ConfigReader, ServerValues) {
  EXPECT_THAT(
      faults_of(with_basics(
          "[server]\nworkers = 1025\nlog = { level = \"verbose\", access = \"of\", format = 1 }")),
      ElementsAre(
          "3:11: error: 'workers' is 1025; it must be 0 to 1024",
          "4:17: error: 'level': unknown value 'verbose'; it is one of \"debug\", \"info\", \"warn\", "
          "\"warning\", \"error\"",
          "4:37: error: 'access' must be \"off\", \"stderr\" or the path of a file, not 'of'; did you mean "
          "'off'?",
          "4:52: error: 'format' must be a string, not an integer"));
}

TEST(ConfigReader, RouteNeedsOneTarget) {
  EXPECT_THAT(
      faults_of(with_basics("[[route]]\nname = [\"a\"]\n[[route]]\nname = [\"b\"]\nto = \"b\"\nreject = "
                            "true\n[[route]]\nname = [\"c\"]\nreject = false")),
      ElementsAre("2:1: error: the route leads nowhere: write to = \"BACKEND\" or reject = true",
                  "4:1: error: a route has either 'to' or 'reject = true', not both",
                  "8:1: error: the route leads nowhere: write to = \"BACKEND\" or reject = true"));
}

TEST(ConfigReader, RouteHasOneKindOfName) {
  EXPECT_THAT(
      faults_of(with_basics("[[route]]\nname = [\"a\"]\nsni = [\"b\"]\nto = \"b\"")),
      ElementsAre("4:1: error: a route has one of 'name', 'sni' and 'host'; this one has 'name' already"));
  EXPECT_THAT(faults_of(with_basics("[[route]]\nhost = [\"a\"]\nsni = [\"b\"]\nto = \"b\"")), SizeIs(1));
}

TEST(ConfigReader, RouteMatchersAreChecked) {
  EXPECT_THAT(
      faults_of(with_basics("[[route]]\nlistener = [\"k\", \"l\", \"l\"]\ndestination = [\"192.0.2.1/24\"]\n"
                            "sni = [\"192.0.2.1\"]\nalpn = [\"\", \"h2\", \"h2\"]\nsource = []\nprotocol = "
                            "[\"tsl\"]\nto = \"c\"")),
      ElementsAre(
          "3:13: error: no listener is called 'k'", "3:23: error: 'listener' has this value already",
          "4:16: error: 'destination': '192.0.2.1/24' can be read in two ways: write '192.0.2.1' for the one "
          "address or '192.0.2.0/24' for the network",
          AllOf(StartsWith("5:8: error: 'sni': '192.0.2.1' is an address"), HasSubstr("destination")),
          "6:9: error: 'alpn': a protocol's name has 1 to 255 bytes",
          "6:19: error: 'alpn' has this value already",
          "7:10: error: 'source' is empty; fill it or leave it out",
          "8:13: error: 'protocol': unknown value 'tsl'; did you mean 'tls'?",
          "9:6: error: no backend is called 'c'"));
}

TEST(ConfigReader, RoutesWithTheSameMatchersAreErrors) {
  EXPECT_THAT(
      faults_of(with_basics("[[route]]\nname = [\"a.example\", \"b.example\"]\nto = \"b\"\n\n[[route]]\n"
                            "name = [\"c.example\", \"B.Example.\"]\nreject = true")),
      ElementsAre("6:1: error: the route at line 2 has the same matchers: name b.example"));
  EXPECT_THAT(faults_of(with_basics("[[route]]\nname = [\"a.example\", \"A.example\"]\nto = \"b\"")),
              ElementsAre("2:1: error: the route has the same matcher twice: name a.example"));
}

TEST(ConfigReader, BackendServersAreChecked) {
  EXPECT_THAT(
      faults_of(with_basics("[backend.c]\nservers = [\"127.0.0.1:80\", \"127.0.0.1:80\", \"localhost\", "
                            "{ address = \"x:1\", weigth = 2 }, { weight = 1 }, 7]")),
      ElementsAre("2:10: warning: nothing uses the backend 'c'",
                  "3:28: error: 'servers': '127.0.0.1:80' stands already at line 3",
                  "3:44: error: 'servers': 'localhost' has no port; write 'localhost:443', say",
                  "3:76: error: unknown key 'weigth' in a server's table; did you mean 'weight'?",
                  "3:90: error: a server's table without 'address'",
                  "3:106: error: 'servers' must contain strings and tables, not an integer"));
  EXPECT_THAT(faults_of("listener.l = { bind = [\"*:1\"], default = \"b\" }\n[backend.b]\nservers = []"),
              ElementsAre("3:11: error: 'servers' is empty; fill it or leave it out"));
  EXPECT_THAT(
      faults_of("listener.l = { bind = [\"*:1\"], default = \"b\" }\n[backend.b]"),
      ElementsAre("2:10: error: [backend.b] needs one of 'servers', 'handoff', 'directory', 'steer'; it has "
                  "none"));
}

TEST(ConfigReader, UselessThingsAreWarnings) {
  const std::string text =
      "[listener.l]\nbind = [\"*:80\"]\n[backend.b]\nservers = [\"[::1]:1\"]\n[listener.m]\nbind = "
      "[\"*:81\"]\n"
      "default = \"c\"\n[backend.c]\nservers = [\"[::1]:1\"]\n";
  EXPECT_THAT(
      faults_of(text),
      ElementsAre("1:11: warning: the listener 'l' refuses every connection: it has no route and no default",
                  "3:10: warning: nothing uses the backend 'b'"));
  EXPECT_TRUE(read_config(text, "f").config.has_value());
  EXPECT_THAT(faults_of("[listener.l]\nbind = [\"*:80\"]\n[[route]]\nreject = true"), IsEmpty());
}

TEST(ConfigReader, RoutesThatNothingCanMatchAreWarnings) {
  const std::string listener = "[listener.l]\nbind = [\"*:80\"]\ndefault = \"b\"\nprotocols = ";
  const std::string rest = "\nto = \"b\"\n[backend.b]\nservers = [\"[::1]:1\"]\n";
  const auto dead = ElementsAre(StartsWith("5:1: warning: no connection can match this route"));
  EXPECT_THAT(faults_of(listener + "[]\n[[route]]\nname = [\"a\"]" + rest), dead);
  EXPECT_THAT(faults_of(listener + "[\"http\"]\n[[route]]\nsni = [\"a\"]" + rest), dead);
  EXPECT_THAT(faults_of(listener + "[\"http\"]\n[[route]]\nalpn = [\"h2\"]" + rest), dead);
  EXPECT_THAT(
      faults_of(listener + "[\"http\", \"tls\"]\n[[route]]\nname = [\"a\"]\nprotocol = [\"ssh\"]" + rest),
      dead);
  EXPECT_THAT(faults_of(listener + "[\"http\"]\n[[route]]\nname = [\"a\"]" + rest), IsEmpty());
  EXPECT_THAT(faults_of(listener + "[]\n[[route]]\ndestination = [\"192.0.2.1\"]" + rest), IsEmpty());
}

TEST(ConfigReader, ControlCharactersOfTheFileStayOffTheTerminal) {
  EXPECT_THAT(faults_of(with_basics("[[route]]\nname = [\"\\u001b[31m\"]\nto = \"b\"")),
              ElementsAre(HasSubstr("'\\x1b[31m'")));
}

TEST(ConfigReader, ManyFaultsDoNotPayForSuggestions) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "[[route]]\nto = \"bb\"\n";
  const auto faults = faults_of(with_basics(text));
  ASSERT_EQ(faults.size(), 2000U);  // all of them are reported all the same
  EXPECT_EQ(faults.front(), "3:6: error: no backend is called 'bb'; did you mean 'b'?");
  EXPECT_EQ(faults.back(), "4001:6: error: no backend is called 'bb'");
}

TEST(ConfigReader, FileThatCannotBeReadIsAFault) {
  const ConfigResult missing = read_config_file("/nonexistent/portshare.toml");
  EXPECT_FALSE(missing.config.has_value());
  ASSERT_THAT(missing.diagnostics, SizeIs(1));
  EXPECT_EQ(missing.diagnostics[0].to_string(),
            "/nonexistent/portshare.toml: error: cannot read the file: No such file or directory");
  EXPECT_THAT(read_config_file("/").diagnostics, SizeIs(1));
}

}  // namespace
}  // namespace portshare
