#include "dispatch/demo/demo_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "dispatch/config_reader.h"

namespace portshare {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* certificate = "/tmp/portshare-012345/cert.pem";

DemoPorts ports() {
  return {.http = 8080,
          .tls = 8443,
          .with_ipv6 = true,
          .blue = "127.0.0.1:50001",
          .green = "127.0.0.1:50002",
          .secure = "127.0.0.1:50003"};
}

/// The backend that gets a connection; empty: it is refused.
std::string backend_of(const Config& config, std::uint32_t listener, const RouteQuery& query) {
  const Route* route = config.routes.find(listener, query);
  return route ? config.backends[route->backend].name : "";
}

TEST(DemoText, TheConfigurationIsValidAndRoutesAsTheTextSays) {
  const ConfigResult result = read_config(demo_config(ports()), "demo.toml");
  EXPECT_TRUE(result.diagnostics.empty());
  ASSERT_TRUE(result.config);
  const auto web = [&](const char* address, const char* host) {
    return backend_of(*result.config, 0,
                      {.destination = IpEndpoint{*IpAddress::parse(address), 8080},
                       .source = {},
                       .protocol = Protocol::http,
                       .name = host,
                       .name_source = NameSource::host,
                       .alpn = {}});
  };
  EXPECT_EQ(web("127.0.0.1", "blue.localhost"), "blue");
  EXPECT_EQ(web("::1", "green.localhost"), "green");
  EXPECT_EQ(web("127.0.0.2", "blue.localhost"), "green");
  EXPECT_EQ(web("127.0.0.2", "127.0.0.2"), "green");
  EXPECT_EQ(web("127.0.0.1", "red.localhost"), "");
  RouteQuery hello{.destination = {},
                   .source = {},
                   .protocol = Protocol::tls,
                   .name = "secure.localhost",
                   .name_source = NameSource::sni,
                   .alpn = {}};
  EXPECT_EQ(backend_of(*result.config, 1, hello), "secure");
  hello.name = "blue.localhost";
  EXPECT_EQ(backend_of(*result.config, 1, hello), "");
}

TEST(DemoText, WithoutIpv6NothingBindsIt) {
  DemoPorts without = ports();
  without.with_ipv6 = false;
  EXPECT_THAT(demo_config(ports()), HasSubstr("[::1]:8080"));
  EXPECT_THAT(demo_config(without), Not(HasSubstr("::1")));
  EXPECT_TRUE(read_config(demo_config(without), "demo.toml").config);
}

TEST(DemoText, FitsATerminal) {
  DemoPorts long_ones = ports();
  long_ones.http = long_ones.tls = 65535;
  std::istringstream lines(demo_introduction(long_ones, demo_config(long_ones), "/c", certificate));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80) << line;
}

TEST(DemoText, SaysWhenAPortIsNotTheUsualOne) {
  const auto text = [](const DemoPorts& chosen) { return demo_introduction(chosen, "", "/c", certificate); };
  EXPECT_THAT(text(ports()), Not(HasSubstr("takes its place")));
  DemoPorts other = ports();
  other.tls = 50004;
  EXPECT_THAT(text(other), HasSubstr("Port 8443 is not free on this host; 50004 takes its place."));
  EXPECT_THAT(text(other), HasSubstr("https://secure.localhost:50004/"));
}

TEST(DemoText, QuotesPathsForTheShell) {
  const auto line_with = [](const std::string& path) { return demo_introduction(ports(), "", "/c", path); };
  EXPECT_THAT(line_with(certificate), HasSubstr("curl --cacert /tmp/portshare-012345/cert.pem https:"));
  EXPECT_THAT(line_with("/it's here/$x"), HasSubstr("curl --cacert '/it'\\''s here/$x' https:"));
}

}  // namespace
}  // namespace portshare
