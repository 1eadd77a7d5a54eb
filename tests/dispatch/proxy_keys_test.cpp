// The keys of the PROXY protocol, and what `check` says about who is trusted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dispatch/config_text.h"

namespace portshare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// `keys` begin at line 4.
std::string listener_with(std::string_view keys, std::string_view bind = "*:80") {
  return fmt::format(
      "[listener.l]\nbind = [\"{}\"]\ndefault = \"b\"\n{}\n[backend.b]\nservers = [\"[::1]:1\"]\n", bind,
      keys);
}

ListenerConfig read_listener(const std::string& text) {
  ConfigResult result = read_config(text, "f");
  return result.config ? result.config->listeners.at(0) : ListenerConfig();
}

TEST(ProxyKeys, APolicyAndWhomToTrust) {
  const std::string text =
      listener_with("proxy_protocol = \"require\"\ntrusted = [\"10.0.0.0/8\", \"2001:db8::1\"]");
  EXPECT_THAT(faults_of(text), IsEmpty());
  const ListenerConfig listener = read_listener(text);
  EXPECT_EQ(listener.proxy_header, ProxyHeaderPolicy::require);
  EXPECT_TRUE(listener.trusts(*IpAddress::parse("10.255.0.1")));
  EXPECT_TRUE(listener.trusts(*IpAddress::parse("::ffff:10.255.0.1")));
  EXPECT_TRUE(listener.trusts(*IpAddress::parse("2001:db8::1")));
  EXPECT_FALSE(listener.trusts(*IpAddress::parse("11.0.0.1")));
  EXPECT_FALSE(listener.trusts(*IpAddress::parse("2001:db8::2")));
  EXPECT_EQ(read_listener(listener_with("")).proxy_header, ProxyHeaderPolicy::off);
}

TEST(ProxyKeys, TrustingEverybodyIsWorthAWarning) {
  for (const char* policy : {"accept", "require"}) {
    const std::string key = fmt::format("proxy_protocol = \"{}\"", policy);
    EXPECT_THAT(faults_of(listener_with(key)),
                ElementsAre(StartsWith("4:18: warning: 'proxy_protocol' without 'trusted': anybody")));
    EXPECT_TRUE(read_listener(listener_with(key)).trusts(*IpAddress::parse("192.0.2.1")));
    // Who may connect there, its permissions say.
    EXPECT_THAT(faults_of(listener_with(key, "unix:/run/l.sock")), IsEmpty());
  }
}

TEST(ProxyKeys, TrustWithoutAHeaderIsWorthAWarning) {
  const auto warning = ElementsAre("4:11: warning: 'trusted' has no effect without 'proxy_protocol'");
  EXPECT_THAT(faults_of(listener_with("trusted = [\"10.0.0.0/8\"]")), warning);
  EXPECT_THAT(faults_of(listener_with("trusted = [\"10.0.0.0/8\"]\nproxy_protocol = \"off\"")), warning);
}

TEST(ProxyKeys, WrongValues) {
  EXPECT_THAT(faults_of(listener_with("proxy_protocol = \"on\"\ntrusted = [\"10.0.0.0/8\"]")),
              ElementsAre(StartsWith("4:18: error: ")))
      << "and nothing about the trust that it would need";
  EXPECT_THAT(faults_of(listener_with("proxy_protocol = true")), ElementsAre(StartsWith("4:18: error: ")));
  const auto errors_in_trusted = [](std::string_view value) {
    return faults_of(listener_with(fmt::format("proxy_protocol = \"accept\"\ntrusted = {}", value)));
  };
  EXPECT_THAT(errors_in_trusted("[]"), ElementsAre(StartsWith("5:11: error: ")));
  EXPECT_THAT(errors_in_trusted("[\"10.0.0.1/8\"]"), ElementsAre(StartsWith("5:12: error: ")));
  EXPECT_THAT(errors_in_trusted("[\"10.0.0.0/8\", \"10.0.0.0/8\"]"),
              ElementsAre(HasSubstr("10.0.0.0/8 stands there twice")));
  EXPECT_THAT(faults_of(with_basics("") + "proxy_protocol = \"v3\""),
              ElementsAre(HasSubstr("unknown value 'v3'")));
}

TEST(ProxyKeys, TheVersionOfABackend) {
  const auto version_of = [](const char* key) {
    ConfigResult result = read_config(with_basics("") + key, "f");
    EXPECT_THAT(result.diagnostics, IsEmpty());
    return result.config->backends.at(0).proxy_header;
  };
  EXPECT_EQ(version_of(""), ProxyHeaderVersion::off);
  EXPECT_EQ(version_of("proxy_protocol = \"off\""), ProxyHeaderVersion::off);
  EXPECT_EQ(version_of("proxy_protocol = \"v1\""), ProxyHeaderVersion::v1);
  EXPECT_EQ(version_of("proxy_protocol = \"v2\""), ProxyHeaderVersion::v2);
}

}  // namespace
}  // namespace portshare
