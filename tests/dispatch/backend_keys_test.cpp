// The keys of a backend that say who gets a connection, how servers are checked and how names are followed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/dispatch/config_text.h"

namespace portshare {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

/// `keys` begin at line 3.
std::string backend_with(std::string_view keys) {
  return fmt::format("listener.l = {{ bind = [\"*:80\"], default = \"b\" }}\n[backend.b]\n{}\n", keys);
}

std::string backend_with_servers(std::string_view keys) {
  return backend_with(fmt::format("servers = [\"[::1]:1\"]\n{}", keys));  // which begin at line 4
}

BackendConfig read(const std::string& text) {
  ConfigResult result = read_config(text, "f");
  EXPECT_TRUE(result.config) << text;
  return result.config ? result.config->backends.at(0) : BackendConfig();
}

TEST(BackendKeys, Defaults) {
  const BackendConfig backend = read(backend_with_servers(""));
  EXPECT_EQ(backend.balance, Balance::round_robin);
  EXPECT_EQ(backend.max_connections, 0U);
  EXPECT_FALSE(backend.health);
  EXPECT_FALSE(backend.resolve);
  EXPECT_EQ(backend.resolve_interval(), milliseconds{30'000});
  EXPECT_FALSE(backend.is_transparent);
  EXPECT_EQ(backend.servers.at(0).weight, 1U);
  EXPECT_FALSE(backend.servers.at(0).is_backup);
}

TEST(BackendKeys, AllOfThem) {
  const BackendConfig backend = read(backend_with(R"(
servers = [{ address = "127.0.0.1:1", weight = 7 }, { address = "app.example:2", backup = true }]
balance = "least_connections"
max_connections = 100
health = { kind = "http", interval = "5s", timeout = "500ms", rise = 4, fall = 5, path = "/live?x=1", expect = "200-399" }
resolve = "10s"
transparent = true)"));
  EXPECT_EQ(backend.balance, Balance::least_connections);
  EXPECT_EQ(backend.max_connections, 100U);
  EXPECT_EQ(backend.health, (HealthConfig{.kind = HealthConfig::Kind::http,
                                          .interval = milliseconds{5'000},
                                          .timeout = milliseconds{500},
                                          .rise = 4,
                                          .fall = 5,
                                          .path = "/live?x=1",
                                          .lowest_status = 200,
                                          .highest_status = 399}));
  EXPECT_EQ(backend.resolve_interval(), milliseconds{10'000});
  EXPECT_TRUE(backend.is_transparent);
  EXPECT_EQ(backend.servers.at(0).weight, 7U);
  EXPECT_FALSE(backend.servers.at(0).is_backup);
  EXPECT_EQ(backend.servers.at(1).weight, 1U);
  EXPECT_TRUE(backend.servers.at(1).is_backup);
}

TEST(BackendKeys, HealthHasDefaults) {
  EXPECT_EQ(read(backend_with_servers("health = {}")).health, HealthConfig());
  EXPECT_EQ(read(backend_with_servers("health = { kind = \"tls\" }")).health,
            HealthConfig{.kind = HealthConfig::Kind::tls});
  const HealthConfig health;
  EXPECT_EQ(health.interval, milliseconds{2'000});
  EXPECT_EQ(health.timeout, milliseconds{1'000});
  EXPECT_EQ(health.rise, 2U);
  EXPECT_EQ(health.fall, 3U);
}

TEST(BackendKeys, ExpectedStatuses) {
  const auto expect = [](std::string_view status) {
    const auto health =
        read(backend_with_servers(fmt::format("health = {{ kind = \"http\", expect = \"{}\" }}", status)))
            .health;
    return health ? std::pair(health->lowest_status, health->highest_status) : std::pair(0U, 0U);
  };
  EXPECT_EQ(expect("2xx"), std::pair(200U, 299U));
  EXPECT_EQ(expect("5xx"), std::pair(500U, 599U));
  EXPECT_EQ(expect("204"), std::pair(204U, 204U));
  EXPECT_EQ(expect("200-399"), std::pair(200U, 399U));
}

TEST(BackendKeys, FaultsHavePlaces) {
  const struct {
    const char* keys;
    const char* fault;
  } cases[] = {
      {"balance = \"least_connection\"",
       "4:11: error: 'balance': unknown value 'least_connection'; did you mean 'least_connections'?"},
      {"balance = \"random\"", "4:11: error: 'balance': unknown value 'random'"},
      {"max_connections = -1", "4:19: error: 'max_connections' is -1; it must be 0 to 4294967295"},
      {"transparent = 1", "4:15: error: 'transparent' must be true or false, not an integer"},
      {"resolve = \"soon\"", "4:11: error: 'resolve' "},
      {"resolve = 30", "4:11: error: 'resolve' must be a duration, not an integer; write \"30s\""},
      {"health = true", "4:10: error: 'health' must be a table"},
      {"health = { kind = \"htttp\" }", "4:19: error: 'kind': unknown value 'htttp'; did you mean 'http'?"},
      {"health = { kind = \"tcp\", path = \"/\" }", "4:33: error: 'path' needs kind = \"http\""},
      {"health = { expect = \"2xx\" }", "4:21: error: 'expect' needs kind = \"http\""},
      {"health = { rise = 0 }", "4:19: error: 'rise' is 0; it must be 1 to 100"},
      {"health = { fall = 101 }", "4:19: error: 'fall' is 101; it must be 1 to 100"},
      {"health = { interval = \"0s\" }", "4:23: error: 'interval' is \"0s\"; it must be "},
      {"health = { intervall = \"2s\" }",
       "4:12: error: unknown key 'intervall' in 'health'; did you mean 'interval'?"},
      {"health = { kind = \"http\", path = \"live\" }", "4:34: error: 'path' must begin with a slash"},
      {"health = { kind = \"http\", path = \"/a b\" }",
       "4:34: error: 'path' must be a path as a request has it"},
      {"health = { kind = \"http\", path = \"/a\\r\\nX: y\" }",
       "4:34: error: 'path' must be a path as a request has it"},
  };
  for (const auto& [keys, fault] : cases) {
    EXPECT_THAT(faults_of(backend_with_servers(keys)), ElementsAre(StartsWith(fault))) << keys;
  }
  for (const char* status :
       {"ok", "20", "1xx", "6xx", "100", "600", "2xx-3xx", "399-200", "200-", "-200", "200 "}) {
    EXPECT_THAT(
        faults_of(
            backend_with_servers(fmt::format("health = {{ kind = \"http\", expect = \"{}\" }}", status))),
        ElementsAre(fmt::format("4:36: error: 'expect': '{}' must be a status such as \"200\", \"2xx\" or "
                                "\"200-399\"",
                                status)));
  }
}

TEST(BackendKeys, WeightsAreSmallNumbers) {
  const auto server = [](std::string_view keys) {
    return backend_with(fmt::format("servers = [{{ address = \"[::1]:1\", {} }}]", keys));
  };
  EXPECT_THAT(faults_of(server("weight = 0")),
              ElementsAre("3:44: error: 'weight' is 0; it must be 1 to 1000"));
  EXPECT_THAT(faults_of(server("weight = 1001")), ElementsAre(StartsWith("3:44: error: 'weight' is 1001")));
  EXPECT_THAT(faults_of(server("weight = 1000")), IsEmpty());
  EXPECT_THAT(faults_of(server("backup = \"yes\"")),
              ElementsAre(StartsWith("3:44: error: 'backup' must be ")));
}

TEST(BackendKeys, BackupsOfNobodyAreWorthAWarning) {
  EXPECT_THAT(
      faults_of(backend_with("servers = [{ address = \"[::1]:1\", backup = true }]")),
      ElementsAre("3:11: warning: 'servers': all of them are backups, so they are used as if none were"));
}

TEST(BackendKeys, AUnixSocketSeesNoAddress) {
  EXPECT_THAT(
      faults_of(backend_with("servers = [\"unix:/run/a.sock\", \"[::1]:1\"]\ntransparent = true")),
      ElementsAre("3:12: error: 'servers': 'unix:/run/a.sock' does not go with 'transparent': a unix socket "
                  "sees no address"));
}

}  // namespace
}  // namespace portshare
