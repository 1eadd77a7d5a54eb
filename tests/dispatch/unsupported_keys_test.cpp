// Keys of the contract whose feature is not built yet are refused, never ignored; their inactive defaults are
// legal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

#include "tests/dispatch/config_text.h"

namespace portshare {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// The example of the contract, with the backend that its `silent` names.
const std::string contract_example = R"([server]
workers = 0
engine  = "auto"
admin   = "unix:/run/portshare.sock"
monitor = "127.0.0.1:9180"
user    = "portshare"
log     = { level = "info", access = "stderr", format = "json" }
shutdown_timeout = "30s"

[listener.web]
bind      = ["0.0.0.0:443", "[::]:443"]
except    = ["192.0.2.9"]
protocols = ["tls", "http"]
default   = "web"
silent    = "ssh"
proxy_protocol = "off"
trusted   = ["10.0.0.0/8"]
allow     = ["0.0.0.0/0", "::/0"]
deny      = ["198.51.100.0/24"]
first_flight_timeout = "5s"
first_flight_limit   = "64KiB"
idle_timeout         = "10m"
max_connections            = 0
max_connections_per_source = 0
new_connections_per_source = "0/s"

[[route]]
listener    = ["web"]
destination = ["192.0.2.20", "198.51.100.0/24", "192.0.2.21:8443"]
name        = ["example.com", "*.example.com", "~^api[0-9]+\\.example\\.com$"]
alpn        = ["acme-tls/1"]
source      = ["10.1.0.0/16"]
protocol    = ["tls"]
to          = "web"

[backend.web]
servers = ["127.0.0.1:8001", "app.internal:8001", "unix:/run/web.sock",
           { address = "127.0.0.1:8002", weight = 2, backup = true }]
balance = "round_robin"
connect_timeout = "3s"
retries         = 2
proxy_protocol  = "off"
forwarded       = false
transparent     = false
max_connections = 0
health = { kind = "tcp", interval = "2s", timeout = "1s", rise = 2, fall = 3 }
resolve = "30s"

[backend.ssh]
servers = ["127.0.0.1:22"]

[backend.app]
handoff = "app"

[backend.sites]
directory = "/run/portshare/sites"

[backend.legacy]
steer = "127.0.0.1:9001"

[share]
socket = "unix:/run/portshare-share.sock"
[[share.allow]]
user  = "alice"
names = ["*.alice.example"]
)";

std::vector<std::string> errors_of(std::string_view text) {
  auto faults = faults_of(text);
  std::erase_if(faults,
                [](const std::string& fault) { return fault.find(": warning: ") != std::string::npos; });
  return faults;
}

TEST(UnsupportedKeys, TheContractsExampleHasNoOtherFaults) {
  const auto errors = errors_of(contract_example);
  EXPECT_THAT(errors, testing::Each(EndsWith("not supported yet")));
  EXPECT_THAT(errors, SizeIs(5));
}

TEST(UnsupportedKeys, TheContractsExampleIsValidWithoutThem) {
  std::string text = contract_example.substr(0, contract_example.find("[backend.app]"));
  for (const char* line : {"user .*", "trusted .*"}) {
    text = std::regex_replace(text, std::regex(line), "");
  }
  EXPECT_THAT(faults_of(text), IsEmpty());
}

TEST(UnsupportedKeys, AreValidatedFirst) {
  for (const char* line :
       {"admin = \"/run/x\"", "monitor = \"9180\"", "user = 5", "admin = \"unix:relative\""}) {
    EXPECT_THAT(faults_of("[server]\n" + std::string(line) + "\n" +
                          "[listener.l]\nbind = [\"*:80\"]\n[[route]]\nreject = true"),
                ElementsAre(Not(HasSubstr("not supported yet"))))
        << line;
  }
}

}  // namespace
}  // namespace portshare
